/** Who was asked, over which channel, why, and what became of it. */

import { useQuery } from "@connectrpc/connect-query";
import { Clock, type LucideIcon, Mail, MailCheck, MailX, Send, SquareSlash, Webhook } from "lucide-react";
import { ContactMethod_Kind, type Page, Page_Kind, Page_State } from "../gen/tocsin/communication/v1/page_pb";
import { CommunicationService } from "../gen/tocsin/communication/v1/communication_service_pb";
import type { Summons } from "../gen/tocsin/response/v1/escalation_pb";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { useEscalations } from "./EscalationPanel";

const STATES: Record<Page_State, [string, string, LucideIcon]> = {
  [Page_State.UNSPECIFIED]: ["unknown", "quiet", Clock],
  [Page_State.PENDING]: ["waiting", "info", Clock],
  [Page_State.SENDING]: ["being sent", "info", Send],
  [Page_State.SENT]: ["sent", "good", Mail],
  [Page_State.DELIVERED]: ["delivered", "good", MailCheck],
  [Page_State.FAILED]: ["failed", "bad", MailX],
  [Page_State.CANCELLED]: ["cancelled", "quiet", SquareSlash],
};

const KINDS: Record<Page_Kind, string> = {
  [Page_Kind.UNSPECIFIED]: "",
  [Page_Kind.SUMMONS]: "asked to respond",
  [Page_Kind.RESOLVED]: "told that it is resolved",
  [Page_Kind.DIRECT]: "asked directly",
  [Page_Kind.TAKEN]: "told that somebody else has it",
  [Page_Kind.BUNDLE]: "told of several at once",
  [Page_Kind.TEST]: "tested",
  [Page_Kind.CONFIRMATION]: "asked to confirm an address",
  [Page_Kind.HANDOFF]: "told of a handoff",
};

export function PagesPanel({ incidentId }: { incidentId: string }) {
  const pages = useQuery(CommunicationService.method.listPages, { incidentId, pageSize: 200 });
  const summonses = useEscalations(incidentId).data?.summonses ?? [];
  const listed = pages.data?.pages ?? [];
  return (
    <Panel title="Pages" aside={pages.data && <span className="count">{listed.length}{pages.data.nextPageToken ? "+" : ""}</span>}>
      {pages.isPending && <Loading what="pages" />}
      {pages.isError && !pages.data && <Failure what="Pages" error={pages.error} retry={() => void pages.refetch()} />}
      {pages.data && listed.length === 0 && <Empty icon={Mail} title="Nobody was paged yet" />}
      <ul className="pages">
        {listed.map((page) => (
          <PageLine key={page.id} page={page} summons={summonses.find((summons) => summons.id === page.summonsId)} />
        ))}
      </ul>
    </Panel>
  );
}

function PageLine({ page, summons }: { page: Page; summons: Summons | undefined }) {
  const [state, tone, Icon] = STATES[page.state] ?? STATES[Page_State.UNSPECIFIED];
  const at = toDate(page.deliveredAt ?? page.sentAt ?? page.createdAt);
  const why = summons?.explanation || page.reason;
  return (
    <li>
      <p className="line">
        <strong>{page.responder}</strong> <span className="under">{KINDS[page.kind]}</span>
        <span className={`badge ${tone}`}>
          <Icon aria-hidden /> {state}
        </span>
      </p>
      {why && (
        <p className="why">
          <span className="visually-hidden">Why: </span>
          {why}
        </p>
      )}
      {page.stateReason && <p className={tone === "bad" ? "why bad" : "why"}>{page.stateReason}</p>}
      <p className="under">
        <Channel page={page} />
        {page.attempts > 1 && ` · ${page.attempts} attempts`}
        {page.resentAfterUnknown && " · sent again, the first outcome is unknown"}
        {at && (
          <>
            {" · "}
            <At at={at} />
          </>
        )}
      </p>
    </li>
  );
}

function Channel({ page }: { page: Page }) {
  if (page.contactMethod === "") return <>has no contact method</>;
  const webhook = page.channel === ContactMethod_Kind.WEBHOOK;
  return (
    <>
      {webhook ? <Webhook aria-hidden /> : <Mail aria-hidden />} {webhook ? "webhook" : "e-mail"} {page.contactMethod}
    </>
  );
}
