/** Who was asked, over which channel, why, and what became of it. */

import { useQuery } from "@connectrpc/connect-query";
import { Clock, type LucideIcon, Mail, MailCheck, MailX, Send, SquareSlash } from "lucide-react";
import { Link } from "wouter";
import { type Page, Page_State } from "../gen/tocsin/communication/v1/page_pb";
import { CommunicationService } from "../gen/tocsin/communication/v1/communication_service_pb";
import type { Summons } from "../gen/tocsin/response/v1/escalation_pb";
import { channelWord, kindWord, stateWord } from "../pages/words";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { useEscalations } from "./EscalationPanel";

const ICONS: Partial<Record<Page_State, LucideIcon>> = {
  [Page_State.SENDING]: Send,
  [Page_State.SENT]: Mail,
  [Page_State.DELIVERED]: MailCheck,
  [Page_State.FAILED]: MailX,
  [Page_State.CANCELLED]: SquareSlash,
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
  const [state, tone] = stateWord(page.state);
  const Icon = ICONS[page.state] ?? Clock;
  const at = toDate(page.deliveredAt ?? page.sentAt ?? page.createdAt);
  const why = summons?.explanation || page.reason;
  return (
    <li>
      <p className="line">
        <strong>{page.responder}</strong> <span className="under">{kindWord(page.kind)}</span>
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
  return (
    <Link href={`/pages?page=${page.id}`} className="quiet-link">
      {channelWord(page.channel)} {page.contactMethod}
    </Link>
  );
}
