import { useId } from "react";
import { dayAndTime, inWords } from "../platform/time";
import { type Bar, clocksChange, fitsName, percent } from "./shifts";

interface WeekProps {
  label: string;
  all: readonly Bar[];
  /** The first instant of each day, and the end. */
  marks: readonly Date[];
  now: number;
}

const TOP = 22;
const HEIGHT = 66;

/** Shifts as bars over some days. A gap is striped; a day on which clocks change says so. */
export function Week({ label, all, marks, now }: WeekProps) {
  const stripes = useId();
  const from = marks[0]!;
  const until = marks[marks.length - 1]!;
  const at = (instant: number) => `${percent(instant, from, until)}%`;
  const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
  return (
    <svg className="shifts" width="100%" height={HEIGHT} role="img" aria-label={label}>
      <defs>
        <pattern id={stripes} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="8" height="8" className="gap-ground" />
          <rect width="3" height="8" className="gap-stripe" />
        </pattern>
      </defs>
      {marks.slice(0, -1).map((day, index) => (
        <g key={day.getTime()} className="day-mark">
          <line x1={at(day.getTime())} x2={at(day.getTime())} y1={0} y2={HEIGHT} className="day" />
          <text x={at(day.getTime())} dx={5} y={14} className="day-name">
            {weekday.format(day)}
            {clocksChange(day, marks[index + 1]!) && " ⏲"}
            {clocksChange(day, marks[index + 1]!) && <title>Clocks change on this day</title>}
          </text>
        </g>
      ))}
      {all.map((bar) => (
        <svg key={bar.from.getTime()} x={`${bar.left}%`} y={TOP} width={`${bar.width}%`} height={HEIGHT - TOP - 6} className="shift">
          <title>{`${bar.name || "Nobody"}: ${dayAndTime(bar.from)} – ${dayAndTime(bar.until)} (${inWords(bar.until.getTime() - bar.from.getTime())}). ${bar.reason}`}</title>
          <rect width="100%" height="100%" rx={4} className={bar.name ? `who${bar.colour}` : "gap"} fill={bar.name ? undefined : `url(#${stripes})`} />
          {fitsName(bar, marks.length - 1) && (
            <text x={8} y="50%" dominantBaseline="central">
              {bar.name || "nobody"}
            </text>
          )}
        </svg>
      ))}
      {from.getTime() <= now && now < until.getTime() && <line x1={at(now)} x2={at(now)} y1={TOP - 4} y2={HEIGHT} className="now-line" />}
    </svg>
  );
}
