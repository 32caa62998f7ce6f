import { useQuery } from "@connectrpc/connect-query";
import { CalendarOff, TriangleAlert, UserRound } from "lucide-react";
import { Link } from "wouter";
import type { Duty } from "../gen/tocsin/response/v1/oncall_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";

// Duties change with the clock, not only with facts.
const POLL = 60_000;

/** Who is on call for every schedule, now. */
export function useDuties() {
  return useQuery(ResponseService.method.getOncall, {}, { refetchInterval: POLL });
}

export function OncallPanel() {
  const oncall = useDuties();
  const duties = oncall.data?.duties ?? [];
  return (
    <Panel
      title="On call now"
      aside={
        <Link href="/oncall" className="quiet-link">
          Next 14 days
        </Link>
      }
    >
      {oncall.isPending && <Loading what="duties" />}
      {oncall.isError && !oncall.data && <Failure what="Duties" error={oncall.error} retry={() => void oncall.refetch()} />}
      {oncall.data && duties.length === 0 && (
        <Empty icon={CalendarOff} title="No schedules yet">
          Write one in a file and run <code>tocsin apply</code>.
        </Empty>
      )}
      <ul className="duties">
        {duties.map((duty) => (
          <DutyLine key={`${duty.schedule} ${duty.responder} ${duty.displayName}`} duty={duty} />
        ))}
      </ul>
    </Panel>
  );
}

interface DutyLineProps {
  duty: Duty;
  /** What stands under the name: which schedule, or why it is this person. */
  detail?: "schedule" | "reason";
}

export function DutyLine({ duty, detail = "schedule" }: DutyLineProps) {
  const until = toDate(duty.until);
  if (duty.responder === "" && duty.displayName === "") {
    return (
      <li className="bad">
        <TriangleAlert aria-hidden />
        <span className="who">
          <strong>Nobody</strong>
          <span className="under">
            {detail === "schedule" && `${duty.schedule} · `}
            {duty.reason || "no shift and no override"}
          </span>
        </span>
        <span className="until">{until && <>gap ends <Ago at={until} /></>}</span>
      </li>
    );
  }
  return (
    <li title={duty.reason}>
      <UserRound aria-hidden />
      <span className="who">
        <strong>{duty.displayName || duty.responder}</strong>
        <span className="under">{detail === "schedule" ? duty.schedule : duty.reason}</span>
      </span>
      <span className="until">{until ? <>ends <Ago at={until} /></> : "no end"}</span>
    </li>
  );
}
