import { useInfiniteQuery } from "@connectrpc/connect-query";
import {
  BellPlus, BellRing, BookOpen, Check, CircleCheck, CircleDot, CircleStop, CircleX, FileLock2, Gauge, type LucideIcon, Mail, MailCheck, MailX, Megaphone,
  MessageCircleQuestionMark, Milestone, Play, Reply, RotateCcw, Scale, ScrollText, Shield, ShieldAlert, ShieldCheck, TimerOff, TriangleAlert, UserCheck,
} from "lucide-react";
import { useEffect } from "react";
import type { TimelineEntry } from "../gen/tocsin/review/v1/review_pb";
import { ReviewService } from "../gen/tocsin/review/v1/review_service_pb";
import { clockFace, toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { countKinds, factInWords, type Kind, KINDS, kindOf } from "./timelineKinds";

const KIND_LABELS: Record<Kind, string> = { all: "All", incident: "Incident", alerts: "Alerts", escalation: "Escalation", response: "Response", pages: "Pages", review: "Review" };

const ICONS: Record<string, [LucideIcon, string]> = {
  IncidentOpened: [BellRing, "bad"],
  IncidentAcknowledged: [UserCheck, "warn"],
  IncidentResolved: [CircleCheck, "good"],
  IncidentReopened: [RotateCcw, "bad"],
  SeverityChanged: [Gauge, "warn"],
  AlertOpened: [BellPlus, "bad"],
  AlertAttached: [BellPlus, "quiet"],
  AlertResolved: [CircleCheck, "good"],
  EscalationStarted: [Megaphone, "info"],
  ResponderSummoned: [Megaphone, "info"],
  EscalationStopped: [CircleStop, "good"],
  EscalationExhausted: [TimerOff, "bad"],
  CoverageGapFound: [TriangleAlert, "bad"],
  PageSent: [Mail, "info"],
  PageDelivered: [MailCheck, "good"],
  PageFailed: [MailX, "bad"],
  PageCancelled: [CircleX, "quiet"],
  ReplyReceived: [Reply, "good"],
  ReviewOpened: [BookOpen, "info"],
  PhaseEntered: [Milestone, "info"],
  RoleAssigned: [UserCheck, "info"],
  RunStarted: [Play, "info"],
  StepSucceeded: [CircleCheck, "quiet"],
  StepFailed: [CircleX, "bad"],
  ApprovalSought: [MessageCircleQuestionMark, "warn"],
  ApprovalGranted: [Check, "good"],
  ApprovalDenied: [CircleX, "bad"],
  RunFinished: [CircleCheck, "good"],
  MeasureApplied: [Shield, "warn"],
  MeasureLifted: [ShieldCheck, "good"],
  MeasureLost: [ShieldAlert, "bad"],
  MeasureNotVerified: [ShieldAlert, "bad"],
  ActionRefused: [ShieldAlert, "bad"],
  EvidenceCollected: [FileLock2, "info"],
  ObligationStarted: [Scale, "warn"],
  ObligationDue: [Scale, "bad"],
  ObligationAnswered: [Scale, "good"],
};

/** Everything that happened, newest first. */
export function Timeline({ incidentId, openedAt }: { incidentId: string; openedAt: Date | undefined }) {
  const [kind, setKind] = useFilter<Kind>("kind", "all", KINDS);
  const timeline = useTimeline(incidentId);
  const entries = timeline.data?.pages.flatMap((page) => page.entries) ?? [];
  const counts = countKinds(entries);
  const shown = entries.filter((entry) => kind === "all" || kindOf(entry) === kind).toReversed();
  const options = KINDS.filter((value) => value === "all" || value === kind || counts.has(value)).map((value) => ({
    value,
    label: KIND_LABELS[value],
    count: counts.get(value) ?? 0,
  }));
  return (
    <Panel title="Timeline" className="timeline-panel" aside={<Choice label="Kind" options={options} value={kind} onChange={setKind} />}>
      {timeline.isPending && <Loading what="the timeline" />}
      {timeline.isError && !timeline.data && <Failure what="The timeline" error={timeline.error} retry={() => void timeline.refetch()} />}
      {timeline.data && shown.length === 0 && (
        <Empty icon={ScrollText} title="Nothing here yet">
          Lines appear by themselves as things happen.
        </Empty>
      )}
      <ol className="timeline" reversed>
        {shown.map((entry) => (
          <Line key={entry.id} entry={entry} openedAt={openedAt} />
        ))}
      </ol>
    </Panel>
  );
}

function useTimeline(incidentId: string) {
  const timeline = useInfiniteQuery(
    ReviewService.method.getTimeline,
    { incidentId, pageSize: 1000, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
  const { hasNextPage, isFetching, isError, fetchNextPage } = timeline;
  // The pages go forward in time and the newest is shown first, so all of them are needed.
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return timeline;
}

function Line({ entry, openedAt }: { entry: TimelineEntry; openedAt: Date | undefined }) {
  const [Icon, tone] = ICONS[entry.fact] ?? [CircleDot, "quiet"];
  const at = toDate(entry.at);
  const offset = at && openedAt ? at.getTime() - openedAt.getTime() : undefined;
  return (
    <li className={tone}>
      <span className="mark" title={factInWords(entry.fact)}>
        <Icon aria-hidden />
        <span className="visually-hidden">{factInWords(entry.fact)}</span>
      </span>
      <div>
        <p className="what">{entry.summary || factInWords(entry.fact)}</p>
        {entry.reason && <p className="why">{entry.reason}</p>}
        {entry.actor && <p className="under">by {entry.actor}</p>}
      </div>
      <span className="when">
        {at && <At at={at} />}
        {offset !== undefined && <span className="under" title="Since the incident opened">{offset < 0 ? "−" : "+"}{clockFace(Math.abs(offset))}</span>}
      </span>
    </li>
  );
}
