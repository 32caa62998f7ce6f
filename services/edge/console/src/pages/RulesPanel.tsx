import { useQuery } from "@connectrpc/connect-query";
import { Pencil } from "lucide-react";
import { useState } from "react";
import { useRefusal } from "../account/caller";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import { CommunicationService } from "../gen/tocsin/communication/v1/communication_service_pb";
import { Urgency } from "../gen/tocsin/communication/v1/page_pb";
import { PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import type { QuietHours } from "../gen/tocsin/communication/v1/rules_pb";
import { dayAndTime, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Loading } from "../ui/States";
import { RulesDialog } from "./RulesDialog";
import { channelWord } from "./words";

/** How somebody would be paged at this moment, and the rules that say so. */
export function RulesPanel({ person }: { person: string }) {
  const refusal = useRefusal(Role.MANAGER);
  const [editing, setEditing] = useState(false);
  const answer = useQuery(CommunicationService.method.exportConfiguration, {}, { enabled: refusal === undefined });
  const kept = answer.data?.configuration;
  const rules = kept?.personalRules.find((each) => each.name === person);
  return (
    <Panel
      title="Personal rules"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined || kept === undefined} title={refusal} onClick={() => setEditing(true)}>
          <Pencil aria-hidden /> Change
        </button>
      }
    >
      <WouldBe person={person} urgency={Urgency.HIGH} title="Urgent, if it came now" />
      <WouldBe person={person} urgency={Urgency.LOW} title="What can wait, if it came now" />
      {kept && <p className="inset under">{rules === undefined ? "No rules of their own: every contact method is used after its own delay." : quietWords(rules.quietHours)}</p>}
      {editing && kept && (
        <RulesDialog
          person={person}
          rules={rules}
          methods={kept.contactMethods.filter((method) => method.responder === person)}
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
