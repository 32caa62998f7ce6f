import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { useNow } from "../platform/now";
import { absolute, dayAndTime } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { Coverage } from "./Coverage";
import { FairnessPanel } from "./FairnessPanel";
import { FeedPanel } from "./FeedPanel";
import { OverridesPanel } from "./OverridesPanel";
import { PastPanel } from "./PastPanel";
import { ProblemsPanel } from "./ProblemsPanel";
import { bars, type Colours, days, gaps, startOfWeek } from "./shifts";
import { SwapsPanel } from "./SwapsPanel";
import { Week } from "./Week";
import { WhyPanel } from "./WhyPanel";

const WEEKS = 5;

/** One schedule: its month, why these people, what is missing, and what changes it for a while. */
export default function SchedulePage({ name }: { name: string }) {
  useEffect(() => {
    document.title = `${name} · On call · Tocsin`;
  }, [name]);
  return (
    <main id="main">
      <p>
        <Link href="/oncall" className="quiet-link">
          On call
        </Link>
      </p>
      <h1>{name}</h1>
      <div className="schedule-page">
        <div>
          <Month name={name} />
          <OverridesPanel schedule={name} />
          <SwapsPanel schedule={name} />
          <FairnessPanel schedules={[name]} />
        </div>
        <aside>
          <WhyPanel schedule={name} />
          <ProblemsPanel schedule={name} />
          <PastPanel schedule={name} />
          <FeedPanel schedule={name} />
        </aside>
      </div>
    </main>
  );
}

function Month({ name }: { name: string }) {
  const now = useNow();
  const [moved, setMoved] = useState(0);
  const thisWeek = startOfWeek(now).getTime();
  const marks = useMemo(() => {
    const first = new Date(thisWeek);
    first.setDate(first.getDate() + moved * WEEKS * 7);
    return days(first, WEEKS * 7);
  }, [thisWeek, moved]);
  const [from, until] = [marks[0]!, marks[marks.length - 1]!];
  const answer = useQuery(OncallService.method.renderSchedule, {
    source: { case: "name", value: name },
    from: timestampFromDate(from),
    until: timestampFromDate(until),
  });
  const shifts = answer.data?.shifts ?? [];
  const colours: Colours = new Map();
  const whole = bars(shifts, from, until, colours);
  const missing = gaps(whole).filter((gap) => gap.until.getTime() > now);
  return (
    <Panel
      title="Five weeks"
      aside={
        <span className="together">
          {answer.data && <Coverage missing={missing.length} />}
          <button type="button" className="button small icon" aria-label="Earlier" onClick={() => setMoved(moved - 1)}>
            <ChevronLeft aria-hidden />
          </button>
          <button type="button" className="button small" disabled={moved === 0} onClick={() => setMoved(0)}>
            Now
          </button>
          <button type="button" className="button small icon" aria-label="Later" onClick={() => setMoved(moved + 1)}>
            <ChevronRight aria-hidden />
          </button>
        </span>
      }
    >
      {answer.isPending && <Loading what="shifts" />}
      {answer.isError && !answer.data && <Failure what="Shifts" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data &&
        Array.from({ length: WEEKS }, (_, week) => {
          const own = marks.slice(week * 7, week * 7 + 8);
          return <Week key={week} label={`Shifts of ${name}, week ${week + 1} of ${WEEKS}; a list is below`} all={bars(shifts, own[0]!, own[7]!, colours)} marks={own} now={now} />;
        })}
      {answer.data && (
        <details className="shift-list">
          <summary>Shifts as a list</summary>
          <ol>
            {whole.map((bar) => (
              <li key={bar.from.getTime()} className={bar.name ? "" : "bad"}>
                <span title={absolute(bar.from)}>{dayAndTime(bar.from)}</span> – <span title={absolute(bar.until)}>{dayAndTime(bar.until)}</span> <strong>{bar.name || "Nobody"}</strong>{" "}
                <span className="under">{bar.reason}</span>
              </li>
            ))}
          </ol>
        </details>
      )}
    </Panel>
  );
}
