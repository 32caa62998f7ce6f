import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Scale } from "lucide-react";
import { useMemo, useState } from "react";
import type { Load } from "../gen/tocsin/response/v1/oncall_service_pb";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { useNow } from "../platform/now";
import { DAY } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { startOfDay } from "./shifts";

const RANGES = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "Year" },
] as const;
// The least rest between two duties by the European working time directive (2003/88/EC, article 3), in hours.
const REST = 11;

/** How hours, nights and weekends are shared among people from today on, and who has too little rest. */
export function FairnessPanel({ schedules }: { schedules: readonly string[] }) {
  const [range, setRange] = useState<(typeof RANGES)[number]["value"]>("90");
  const start = startOfDay(useNow()).getTime();
  const [from, until] = useMemo(() => [new Date(start), new Date(start + Number(range) * DAY)], [start, range]);
  const answer = useQuery(OncallService.method.getFairness, { schedules: [...schedules], from: timestampFromDate(from), until: timestampFromDate(until) });
  const loads = answer.data?.loads ?? [];
  const most = Math.max(1, ...loads.map((load) => load.hours));
  return (
    <Panel title="How the load is shared" aside={<Choice label="Range" options={RANGES} value={range} onChange={setRange} />}>
      {answer.isPending && <Loading what="the load" />}
      {answer.isError && !answer.data && <Failure what="The load" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && loads.length === 0 && <Empty icon={Scale} title="Nobody has a duty in this time" />}
      {loads.length > 0 && (
        <div className="scroll">
        <table className="loads">
          <thead>
            <tr>
              <th scope="col">Person</th>
              <th scope="col">Hours on call, nights darker</th>
              <th scope="col">Hours</th>
              <th scope="col">Nights</th>
              <th scope="col">Weekends</th>
              <th scope="col">Longest</th>
              <th scope="col">Least rest</th>
            </tr>
          </thead>
          <tbody>
            {loads.map((load) => (
              <LoadRow key={load.responder} load={load} most={most} />
            ))}
          </tbody>
        </table>
        </div>
      )}
    </Panel>
  );
}

function LoadRow({ load, most }: { load: Load; most: number }) {
  const rest = load.shortestRestHours;
  const tired = rest !== undefined && rest < REST;
  return (
    <tr>
      <th scope="row">{load.responder}</th>
      <td className="load-bar">
        <svg width="100%" height={16} role="img" aria-label={`${Math.round(load.hours)} hours, ${Math.round(load.nightHours)} of them at night`}>
          <rect width={`${(load.hours / most) * 100}%`} height={16} rx={3} className="hours" />
          <rect width={`${(load.nightHours / most) * 100}%`} height={16} rx={3} className="nights" />
        </svg>
      </td>
      <td>{Math.round(load.hours)}</td>
      <td>{load.nights}</td>
      <td>{load.weekends}</td>
      <td>{Math.round(load.longestHours)} h</td>
      <td className={tired ? "bad" : ""} title={tired ? `less than ${REST} hours` : undefined}>
        {rest === undefined ? "–" : `${rest.toFixed(1)} h`}
        {tired && " ⚠"}
      </td>
    </tr>
  );
}
