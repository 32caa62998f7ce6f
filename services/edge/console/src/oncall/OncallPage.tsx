import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { CalendarOff, SearchX } from "lucide-react";
import { useEffect, useMemo } from "react";
import { Link } from "wouter";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { useNow } from "../platform/now";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { TextFilter } from "../ui/TextFilter";
import { useFilter } from "../ui/useFilter";
import { Coverage } from "./Coverage";
import { bySchedule, matching, type OnCall } from "./duties";
import { FairnessPanel } from "./FairnessPanel";
import { DutyLine, useDuties } from "./OncallPanel";
import { bars, days, gaps, startOfDay } from "./shifts";
import { Week } from "./Week";

const DAYS = 14;
// More pictures than anybody looks at would be as many requests: the others wait behind the filter.
const MOST = 25;

/** Who is on call now and over the next two weeks, for every schedule, with the gaps. */
export default function OncallPage() {
  const oncall = useDuties();
  const [word, setWord] = useFilter<string>("find", "");
  const all = bySchedule(oncall.data?.duties ?? []);
  const found = matching(all, word);
  useEffect(() => {
    document.title = "On call · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>On call</h1>
      {oncall.isPending && <Loading what="duties" />}
      {oncall.isError && !oncall.data && <Failure what="Duties" error={oncall.error} retry={() => void oncall.refetch()} />}
      {oncall.data && all.length === 0 && (
        <Empty icon={CalendarOff} title="No schedules yet">
          Write one in a file and run <code>tocsin apply</code>, or move here with <code>tocsin import</code>.
        </Empty>
      )}
      {all.length > 3 && (
        <div className="filters">
          <TextFilter label="Schedule or person" value={word} onChange={setWord} placeholder="payments" />
        </div>
      )}
      {all.length > 0 && found.length === 0 && <Empty icon={SearchX} title={`Nothing is called “${word}”`} />}
      {found.slice(0, MOST).map((each) => (
        <Schedule key={each.schedule} onCall={each} />
      ))}
      {found.length > MOST && <p className="under">{found.length - MOST} more schedules: look for one by its name, or that of a person.</p>}
      {all.length > 0 && <FairnessPanel schedules={[]} />}
    </main>
  );
}

function Schedule({ onCall }: { onCall: OnCall }) {
  const now = useNow();
  const start = startOfDay(now).getTime();
  const marks = useMemo(() => days(new Date(start), DAYS), [start]);
  const [from, until] = [marks[0]!, marks[DAYS]!];
  const answer = useQuery(OncallService.method.renderSchedule, {
    source: { case: "name", value: onCall.schedule },
    from: timestampFromDate(from),
    until: timestampFromDate(until),
  });
  const all = answer.data ? bars(answer.data.shifts, from, until) : [];
  const missing = gaps(all).filter((gap) => gap.until.getTime() > now);
  return (
    <Panel
      title={onCall.schedule}
      aside={
        <span className="together">
          {answer.data && <Coverage missing={missing.length} />}
          <Link href={`/oncall/${onCall.schedule}`} className="quiet-link">
            Month, overrides, why
          </Link>
        </span>
      }
    >
      <ul className="duties">
        {onCall.duties.map((duty) => (
          <DutyLine key={`${duty.responder} ${duty.displayName}`} duty={duty} detail="reason" />
        ))}
      </ul>
      {answer.isPending && <Loading what="shifts" />}
      {answer.isError && !answer.data && <Failure what="Shifts" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && <Week label={`Shifts of ${onCall.schedule} for ${DAYS} days; a list is on its own page`} all={all} marks={marks} now={now} />}
    </Panel>
  );
}
