import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Pencil, Undo2 } from "lucide-react";
import { useState } from "react";
import { useRefusalAbout } from "../account/caller";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { Urgency } from "../gen/tocsin/communication/v1/page_pb";
import { PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import type { QuietHours } from "../gen/tocsin/communication/v1/rules_pb";
import { dayAndTime, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Loading } from "../ui/States";
import { usePagingOutcome } from "./outcome";
import { RulesDialog } from "./RulesDialog";
import { channelWord } from "./words";

/** How somebody would be paged at this moment, and the rules that say so. */
export function RulesPanel({ person }: { person: string }) {
  const refusal = useRefusalAbout(person);
  const [editing, setEditing] = useState(false);
  const kept = useQuery(ContactService.method.getPersonalRules, { responder: person }).data;
  const contacts = useQuery(ContactService.method.listContacts, { responder: person, pageSize: 100 }).data?.contacts;
  const reset = useMutation(ContactService.method.resetPersonalRules, usePagingOutcome("Nothing is set by hand any more", "The rules are unchanged"));
  const rules = kept?.rules;
  return (
    <Panel
      title="Personal rules"
      aside={
        <span className="together">
          {kept?.setBy && (
            <button type="button" className="button small" disabled={refusal !== undefined || reset.isPending} title={refusal ?? "Those in files count again"} onClick={() => reset.mutate({ responder: person })}>
              <Undo2 aria-hidden /> Reset
            </button>
          )}
          <button type="button" className="button small" disabled={refusal !== undefined || kept === undefined || contacts === undefined} title={refusal} onClick={() => setEditing(true)}>
            <Pencil aria-hidden /> Change
          </button>
        </span>
      }
    >
      <WouldBe person={person} urgency={Urgency.HIGH} title="Urgent, if it came now" />
      <WouldBe person={person} urgency={Urgency.LOW} title="What can wait, if it came now" />
      {kept && <p className="inset under">{rules === undefined ? "No rules of their own: every contact method is used after its own delay." : `${quietWords(rules.quietHours)} ${kept.setBy ? `Set by ${kept.setBy}.` : "Kept in files."}`}</p>}
      {editing && contacts && (
        <RulesDialog
          person={person}
          rules={rules}
          methods={contacts.flatMap((contact) => contact.contactMethod ?? [])}
          onClose={() => setEditing(false)}
        />
      )}
    </Panel>
  );
}

function quietWords(quiet: QuietHours | undefined): string {
  if (quiet === undefined) return "No quiet hours.";
  const windows = quiet.windows.map((window) => `${window.days.join(" ") || "daily"} ${window.begins}–${window.ends}`).join(", ");
  const except = [...quiet.exceptSeverities, ...quiet.exceptServices].join(", ");
  return `Quiet ${windows} (${quiet.zone})${quiet.highToo ? ", for what is urgent too" : ""}${except && `, but not for ${except}`}.`;
}

function WouldBe({ person, urgency, title }: { person: string; urgency: Urgency; title: string }) {
  const answer = useQuery(PagingService.method.previewPages, { responder: person, urgency });
  return (
    <div className="inset">
      <h3>{title}</h3>
      {answer.isPending && <Loading what="the preview" />}
      {answer.data?.warning && <p className="bad-text">{answer.data.warning}</p>}
      {answer.data && answer.data.pages.length === 0 && !answer.data.warning && <p className="bad-text">Nothing would be sent.</p>}
      <ol className="rules-list">
        {answer.data?.pages.map((page, index) => {
          const at = toDate(page.at);
          return (
            <li key={index}>
              {channelWord(page.channel)} {page.contactMethod}
              {page.responder !== person && ` of ${page.responder}`}{" "}
              <span className="under" title={at && dayAndTime(at)}>
                {page.reason}
              </span>
              {page.warning && <span className="under bad-text"> {page.warning}</span>}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
