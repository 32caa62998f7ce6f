import { useQuery } from "@connectrpc/connect-query";
import { CircleCheck, TriangleAlert } from "lucide-react";
import { Conflict_Kind, OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { dayAndTime, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";

const KINDS: Partial<Record<Conflict_Kind, string>> = {
  [Conflict_Kind.ABSENCE]: "away",
  [Conflict_Kind.HOLIDAY]: "holiday",
  [Conflict_Kind.DOUBLE_DUTY]: "two duties",
  [Conflict_Kind.REST]: "little rest",
};
const MOST = 20;

/** What is wrong with the next thirty days: nobody on call, or somebody who should not be. */
export function ProblemsPanel({ schedule }: { schedule: string }) {
  const gaps = useQuery(OncallService.method.listGaps, { schedule });
  const conflicts = useQuery(OncallService.method.listConflicts, { schedule });
  const found = [
    ...(gaps.data?.gaps ?? []).map((gap) => ({ at: toDate(gap.startsAt), until: toDate(gap.endsAt), what: "gap", text: `Nobody is on call: ${gap.reason}` })),
    ...(conflicts.data?.conflicts ?? []).map((each) => ({ at: toDate(each.startsAt), until: toDate(each.endsAt), what: KINDS[each.kind] ?? "conflict", text: each.detail })),
  ].sort((one, other) => (one.at?.getTime() ?? 0) - (other.at?.getTime() ?? 0));
  const kinds = grouped(found);
  const pending = gaps.isPending || conflicts.isPending;
  const failed = [gaps, conflicts].find((each) => each.isError && !each.data);
  return (
    <Panel title="The next 30 days" aside={!pending && found.length > 0 && <span className="count bad">{found.length}</span>}>
      {pending && <Loading what="gaps and conflicts" />}
      {failed && <Failure what="Gaps and conflicts" error={failed.error} retry={() => void Promise.all([gaps.refetch(), conflicts.refetch()])} />}
      {!pending && !failed && found.length === 0 && <Empty icon={CircleCheck} title="No gaps, no conflicts" />}
      <ul className="problems">
        {kinds.slice(0, MOST).map((each) => (
          <li key={each.text}>
            <span className={`badge ${each.what === "gap" ? "bad" : "warn"}`}>
              <TriangleAlert aria-hidden /> {each.what}
            </span>{" "}
            {each.at && dayAndTime(each.at)} – {each.until && dayAndTime(each.until)}
            {each.times > 1 && <strong> and {each.times - 1} more times</strong>}
            <p className="under">{each.text}</p>
          </li>
        ))}
      </ul>
      {kinds.length > MOST && <p className="inset under">and {kinds.length - MOST} more</p>}
    </Panel>
  );
}

interface Problem {
  at: Date | undefined;
  until: Date | undefined;
  what: string;
  text: string;
}

/** What comes again and again in the same words is one line: the first time, and how often. */
function grouped(found: readonly Problem[]): (Problem & { times: number })[] {
  const kinds = new Map<string, Problem & { times: number }>();
  for (const each of found) {
    const known = kinds.get(each.text);
    if (known) known.times += 1;
    else kinds.set(each.text, { ...each, times: 1 });
  }
  return [...kinds.values()];
}
