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
  const pending = gaps.isPending || conflicts.isPending;
  const failed = [gaps, conflicts].find((each) => each.isError && !each.data);
  return (
    <Panel title="The next 30 days" aside={!pending && found.length > 0 && <span className="count bad">{found.length}</span>}>
      {pending && <Loading what="gaps and conflicts" />}
      {failed && <Failure what="Gaps and conflicts" error={failed.error} retry={() => void Promise.all([gaps.refetch(), conflicts.refetch()])} />}
      {!pending && !failed && found.length === 0 && <Empty icon={CircleCheck} title="No gaps, no conflicts" />}
      <ul className="problems">
        {found.slice(0, MOST).map((each, index) => (
          <li key={index}>
            <span className={`badge ${each.what === "gap" ? "bad" : "warn"}`}>
              <TriangleAlert aria-hidden /> {each.what}
            </span>{" "}
            {each.at && dayAndTime(each.at)} – {each.until && dayAndTime(each.until)}
            <p className="under">{each.text}</p>
          </li>
        ))}
      </ul>
      {found.length > MOST && <p className="inset under">and {found.length - MOST} more</p>}
    </Panel>
  );
}
