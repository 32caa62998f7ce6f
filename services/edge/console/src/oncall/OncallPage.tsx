import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { CalendarOff, CircleCheck, TriangleAlert } from "lucide-react";
import { useEffect, useMemo } from "react";
import type { Duty } from "../gen/tocsin/response/v1/oncall_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { useNow } from "../platform/now";
import { absolute, dayAndTime, inWords, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { DutyLine, useDuties } from "./OncallPanel";
import { type Bar, bars, days, fitsName, gaps, percent, startOfDay } from "./shifts";

const DAYS = 14;

/** Who is on call now and over the next two weeks, with the gaps. */
export default function OncallPage() {
  const oncall = useDuties();
  const duties = oncall.data?.duties ?? [];
  useEffect(() => {
    document.title = "On call · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>On call</h1>
      {oncall.isPending && <Loading what="duties" />}
      {oncall.isError && !oncall.data && <Failure what="Duties" error={oncall.error} retry={() => void oncall.refetch()} />}
      {oncall.data && duties.length === 0 && (
        <Empty icon={CalendarOff} title="No schedules yet">
          Write one in a file and run <code>tocsin apply</code>.
        </Empty>
      )}
      {duties.map((duty) => (
        <Schedule key={duty.schedule} duty={duty} />
      ))}
    </main>
  );
}

function Schedule({ duty }: { duty: Duty }) {
  const now = useNow();
  const start = startOfDay(now).getTime();
  const marks = useMemo(() => days(new Date(start), DAYS), [start]);
  const from = marks[0]!;
  const until = marks[DAYS]!;
  const answer = useQuery(ResponseService.method.listShifts, {
    schedule: duty.schedule,
    from: timestampFromDate(from),
    until: timestampFromDate(until),
  });
  const all = answer.data ? bars(answer.data.shifts, from, until) : [];
  const missing = gaps(all).filter((gap) => gap.until.getTime() > now);
  return (
    <Panel title={duty.schedule} aside={answer.data && <Coverage missing={missing.length} />}>
      <ul className="duties">
        <DutyLine duty={duty} detail="reason" />
      </ul>
      {answer.isPending && <Loading what="shifts" />}
      {answer.isError && !answer.data && <Failure what="Shifts" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && (
        <>
          <Picture schedule={duty.schedule} all={all} marks={marks} now={now} />
          <Overrides schedule={duty.schedule} />
          <details className="shift-list">
            <summary>Shifts as a list</summary>
            <ol>
              {all.map((bar) => (
                <li key={bar.from.getTime()} className={bar.responder ? "" : "bad"}>
                  <span title={absolute(bar.from)}>{dayAndTime(bar.from)}</span> – <span title={absolute(bar.until)}>{dayAndTime(bar.until)}</span>{" "}
                  <strong>{bar.name || "Nobody"}</strong> <span className="under">{bar.reason}</span>
                </li>
              ))}
            </ol>
          </details>
        </>
      )}
    </Panel>
  );
}

function Coverage({ missing }: { missing: number }) {
  if (missing === 0) {
    return (
      <span className="badge good">
        <CircleCheck aria-hidden /> no gaps
      </span>
    );
  }
  return (
    <span className="badge bad">
      <TriangleAlert aria-hidden /> {missing === 1 ? "1 gap" : `${missing} gaps`} ahead
    </span>
  );
}

const TOP = 22;
const HEIGHT = 66;

function Picture({ schedule, all, marks, now }: { schedule: string; all: readonly Bar[]; marks: readonly Date[]; now: number }) {
  const from = marks[0]!;
  const until = marks[marks.length - 1]!;
  const at = (instant: number) => `${percent(instant, from, until)}%`;
  const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
  return (
    <svg className="shifts" width="100%" height={HEIGHT} role="img" aria-label={`Shifts of ${schedule} for ${DAYS} days; the same as a list is below`}>
      <defs>
        <pattern id={`gap-${schedule}`} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="8" height="8" className="gap-ground" />
          <rect width="3" height="8" className="gap-stripe" />
        </pattern>
      </defs>
      {marks.slice(0, -1).map((day) => (
        <g key={day.getTime()}>
          <line x1={at(day.getTime())} x2={at(day.getTime())} y1={0} y2={HEIGHT} className="day" />
          <text x={at(day.getTime())} dx={5} y={14} className="day-name">
            {weekday.format(day)}
          </text>
        </g>
      ))}
      {all.map((bar) => (
        <svg key={bar.from.getTime()} x={`${bar.left}%`} y={TOP} width={`${bar.width}%`} height={HEIGHT - TOP - 6} className="shift">
          <title>{`${bar.name || "Nobody"}: ${dayAndTime(bar.from)} – ${dayAndTime(bar.until)} (${inWords(bar.until.getTime() - bar.from.getTime())}). ${bar.reason}`}</title>
          <rect width="100%" height="100%" rx={4} className={bar.responder ? `who${bar.colour}` : "gap"} fill={bar.responder ? undefined : `url(#gap-${schedule})`} />
          {fitsName(bar) && (
            <text x={8} y="50%" dominantBaseline="central">
              {bar.name || "nobody"}
            </text>
          )}
        </svg>
      ))}
      <line x1={at(now)} x2={at(now)} y1={TOP - 4} y2={HEIGHT} className="now-line" />
    </svg>
  );
}

function Overrides({ schedule }: { schedule: string }) {
  const overrides = useQuery(ResponseService.method.listOverrides, { schedule }).data?.overrides ?? [];
  if (overrides.length === 0) return null;
  return (
    <ul className="overrides" aria-label="Overrides">
      {overrides.map((override) => {
        const starts = toDate(override.startsAt);
        const ends = toDate(override.endsAt);
        return (
          <li key={override.id}>
            Override: <strong>{override.responder}</strong> {starts && dayAndTime(starts)} – {ends && dayAndTime(ends)}
            <span className="under">
              {" "}
              made by {override.createdBy}
              {override.reason && `: ${override.reason}`}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
