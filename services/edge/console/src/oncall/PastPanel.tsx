import { useQuery } from "@connectrpc/connect-query";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { dayAndTime, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";

/** Who really was on call, as it was recorded then. */
export function PastPanel({ schedule }: { schedule: string }) {
  const duties = useQuery(OncallService.method.listPastDuties, { schedule, pageSize: 10 }).data?.duties ?? [];
  return (
    <Panel title="Who really was">
      {duties.length === 0 && <p className="inset under">Nothing is recorded yet. Later changes of the schedule change nothing of what is.</p>}
      <ol className="problems">
        {duties.map((duty, index) => {
          const [since, until] = [toDate(duty.since), toDate(duty.until)];
          return (
            <li key={index} title={duty.reason}>
              <strong>{duty.responder || "Nobody"}</strong>{" "}
              <span className="under">
                {since && dayAndTime(since)} – {until ? dayAndTime(until) : "now"}
              </span>
            </li>
          );
        })}
      </ol>
    </Panel>
  );
}
