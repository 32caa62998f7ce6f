import { useQuery } from "@connectrpc/connect-query";
import { BellRing, CircleCheck, Clock, Hourglass, type LucideIcon, UserCheck } from "lucide-react";
import { ReviewService } from "../gen/tocsin/review/v1/review_service_pb";
import { inWords, toMilliseconds } from "../platform/time";
import type { ActiveIncidents } from "./active";

/** How much is going on, and how fast we were over the last 30 days. */
export function FiguresStrip({ active }: { active: ActiveIncidents }) {
  const answer = useQuery(ReviewService.method.getFigures, {});
  const figures = answer.data?.total;
  const count = (value: number | undefined) => (value === undefined ? "…" : `${value}${active.more ? "+" : ""}`);
  const mean = (value: number | undefined) => (value === undefined ? "–" : inWords(value));
  const known = (value: string) => (figures ? value : answer.isError ? "–" : "…");
  const hint = (words: string) => (answer.isError && !figures ? "not known now" : words);
  return (
    <dl className="figures">
      <Figure icon={BellRing} name="Open" value={count(active.open)} hint="nobody has taken them" tone={active.open ? "bad" : undefined} />
      <Figure icon={UserCheck} name="Acknowledged" value={count(active.acknowledged)} hint="somebody is on it" tone={active.acknowledged ? "warn" : undefined} />
      <Figure icon={Clock} name="MTTA" value={known(mean(toMilliseconds(figures?.meanTimeToAcknowledge)))} hint={hint(`${figures?.acknowledged ?? 0} acknowledged in 30 days`)} />
      <Figure icon={Hourglass} name="MTTR" value={known(mean(toMilliseconds(figures?.meanTimeToResolve)))} hint={hint(`${figures?.resolved ?? 0} resolved in 30 days`)} />
      <Figure icon={CircleCheck} name="Incidents" value={known(String(figures?.incidents ?? 0))} hint={hint("opened in 30 days")} />
    </dl>
  );
}

interface FigureProps {
  icon: LucideIcon;
  name: string;
  value: string;
  hint: string;
  tone?: "bad" | "warn";
}

function Figure({ icon: Icon, name, value, hint, tone }: FigureProps) {
  return (
    <div className={`figure ${tone ?? ""}`}>
      <dt>
        <Icon aria-hidden /> {name}
      </dt>
      <dd>
        <span className="value">{value}</span>
        <span className="hint">{hint}</span>
      </dd>
    </div>
  );
}
