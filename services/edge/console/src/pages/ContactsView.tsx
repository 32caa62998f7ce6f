import { useMutation, useQuery } from "@connectrpc/connect-query";
import { BellRing, PhoneOff, Plus, Send, ShieldCheck, Trash2 } from "lucide-react";
import { useState } from "react";
import { useRefusal, useRefusalAbout } from "../account/caller";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import { type Contact, Contact_Health } from "../gen/tocsin/communication/v1/contact_pb";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { ContactMethod_Kind } from "../gen/tocsin/communication/v1/page_pb";
import { PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import { newRequestId } from "../platform/requestId";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { AddContactDialog } from "./AddContactDialog";
import { ConfirmDialog } from "./ConfirmDialog";
import { DelegationsPanel } from "./DelegationsPanel";
import { usePagingOutcome } from "./outcome";
import { PersonField } from "./PersonField";
import { RulesPanel } from "./RulesPanel";
import { channelWord, healthWord } from "./words";

const MOST = 100;

/** How one responder is reached: their contact methods, their rules, and who takes their pages meanwhile. */
export function ContactsView({ me }: { me: string }) {
  const [chosen, setPerson] = useFilter<string>("responder", "");
  const person = chosen || me;
  return (
    <>
      <div className="filters">
        <PersonField label="Responder" none={me ? "Myself" : "Choose one"} value={chosen} onChange={setPerson} />
      </div>
      {person === "" ? (
        <Empty icon={PhoneOff} title="You are no responder yourself">
          Choose somebody to see how they are reached.
        </Empty>
      ) : (
        <div className="schedule-page" key={person}>
          <div>
            <ContactsPanel person={person} />
            <DelegationsPanel person={person} />
          </div>
          <aside>
            <RulesPanel person={person} />
          </aside>
        </div>
      )}
    </>
  );
}

function ContactsPanel({ person }: { person: string }) {
  const refusal = useRefusal();
  const notYours = useRefusalAbout(person);
  const [adding, setAdding] = useState(false);
  const answer = useQuery(ContactService.method.listContacts, { responder: person, pageSize: MOST });
  const contacts = answer.data?.contacts ?? [];
  const test = useTestPage();
  return (
    <Panel
      title={`Contact methods of ${person}`}
      aside={
        <span className="together">
          <button type="button" className="button small" disabled={notYours !== undefined} title={notYours} onClick={() => setAdding(true)}>
            <Plus aria-hidden /> Add
          </button>
          <button type="button" className="button small" disabled={refusal !== undefined || test.isPending || contacts.length === 0} title={refusal} onClick={() => test.mutate({ requestId: newRequestId(), responder: person })}>
            <BellRing aria-hidden /> Test all
          </button>
        </span>
      }
    >
      {answer.isPending && <Loading what="contact methods" />}
      {answer.isError && !answer.data && <Failure what="Contact methods" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && contacts.length === 0 && (
        <Empty icon={PhoneOff} title="There is no way to reach them">
          Add a contact method, or keep it in files: <code>tocsin apply</code>.
        </Empty>
      )}
      <ul className="overrides-list">
        {contacts.map((contact) => (
          <ContactRow key={contact.contactMethod?.name} contact={contact} />
        ))}
      </ul>
      {adding && <AddContactDialog person={person} onClose={() => setAdding(false)} />}
    </Panel>
  );
}

function useTestPage() {
  return useMutation(PagingService.method.sendTestPage, usePagingOutcome("A test is on its way; answering it confirms the contact method", "No test was sent"));
}

function ContactRow({ contact }: { contact: Contact }) {
  const refusal = useRefusal(Role.RESPONDER);
  const notYours = useRefusalAbout(contact.contactMethod?.responder ?? "");
  const [confirming, setConfirming] = useState(false);
  const remove = useMutation(ContactService.method.removeContactMethod, usePagingOutcome("The contact method is removed", "Nothing was removed"));
  const test = useTestPage();
  const method = contact.contactMethod;
  if (method === undefined) return null;
  const [word, tone] = healthWord(contact.health);
  const reached = toDate(contact.lastReachedAt);
  return (
    <li>
      <span>
        <strong>{channelWord(method.kind)}</strong> {method.name} <span className={`badge ${tone}`}>{word}</span>{" "}
        <span className={`badge ${contact.confirmedAt ? "good" : "warn"}`}>{contact.confirmedAt ? "confirmed" : "not confirmed"}</span>
        <span className="under break">
          {method.kind === ContactMethod_Kind.WEB_PUSH ? "a browser" : method.address}
          {contact.addedBy && ` · added by ${contact.addedBy}`}
          {reached && (
            <>
              {" · last reached "}
              <Ago at={reached} />
            </>
          )}
        </span>
        {contact.health !== Contact_Health.GOOD && contact.healthReason && <span className="under bad-text">{contact.healthReason}</span>}
      </span>
      <span className="together">
        {(!contact.confirmedAt || method.kind === ContactMethod_Kind.WEB_PUSH) && (
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setConfirming(true)}>
            <ShieldCheck aria-hidden /> {method.kind === ContactMethod_Kind.WEB_PUSH ? "This browser" : "Confirm"}
          </button>
        )}
        <button type="button" className="button small" disabled={refusal !== undefined || test.isPending} title={refusal} onClick={() => test.mutate({ requestId: newRequestId(), contactMethod: method.name })}>
          <Send aria-hidden /> Test page
        </button>
        {contact.addedBy && (
          <button type="button" className="button small icon" aria-label={`Remove ${method.name}`} disabled={notYours !== undefined || remove.isPending} title={notYours ?? "Remove it"} onClick={() => remove.mutate({ name: method.name })}>
            <Trash2 aria-hidden />
          </button>
        )}
      </span>
      {confirming && <ConfirmDialog method={method} onClose={() => setConfirming(false)} />}
    </li>
  );
}
