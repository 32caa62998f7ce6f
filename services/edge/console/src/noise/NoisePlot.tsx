import { useQuery } from "@connectrpc/connect-query";
import { useId } from "react";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { dayAndTime, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { heldShare, type Hour } from "./hours";

const SHOWN = 24;
const ASK_AGAIN = 60_000;

/** Alerts of the last day, hour by hour: how many were told, and how many were held back. */
export function NoisePlot() {
  const answer = useQuery(NoiseService.method.countAlertsByHour, { hours: SHOWN }, { refetchInterval: ASK_AGAIN });
  const all = (answer.data?.hours ?? []).map((hour) => ({ from: toDate(hour.from)?.getTime() ?? 0, told: Number(hour.told), held: Number(hour.held) }));
  const [told, held] = [sum(all, "told"), sum(all, "held")];
  if (told + held === 0) return null;
  return (
    <Panel title="Alerts hour by hour" aside={<Legend told={told} held={held} />}>
      <Bars all={all} />
      <details className="shift-list">
        <summary>Hours as a list</summary>
        <ol>
          {all.map((hour) => (
            <li key={hour.from}>{inWords(hour)}</li>
          ))}
        </ol>
      </details>
    </Panel>
  );
}

function sum(all: readonly Hour[], which: "told" | "held"): number {
  return all.reduce((total, hour) => total + hour[which], 0);
}

function inWords(hour: Hour): string {
  return `${dayAndTime(new Date(hour.from))}: ${hour.told} told, ${hour.held} held back`;
}

function Legend({ told, held }: { told: number; held: number }) {
  return (
    <span className="legend">
      <span>
        <i className="told" aria-hidden /> {told} told
      </span>
      <span>
        <i className="held" aria-hidden /> {held} held back
      </span>
    </span>
  );
}

const HEIGHT = 96;
const FOOT = 18;

/** Held back is striped, told is plain: the two differ without colour too. */
function Bars({ all }: { all: readonly Hour[] }) {
  const stripes = useId();
  const top = Math.max(1, ...all.map((hour) => hour.told + hour.held));
  const scale = (HEIGHT - FOOT - 14) / top;
  const width = 100 / all.length;
  return (
    <svg className="plot" width="100%" height={HEIGHT} role="img" aria-label={`Alerts hour by hour, ${heldShare(all)} % held back; the same as a list is below`}>
      <defs>
        <pattern id={stripes} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="6" height="6" className="held-ground" />
          <rect width="2.5" height="6" className="held-stripe" />
        </pattern>
      </defs>
      {all.map((hour, index) => {
        const [told, held] = [hour.told * scale, hour.held * scale];
        const ground = HEIGHT - FOOT;
        const bar = { x: `${index * width + width * 0.12}%`, width: `${width * 0.76}%` };
        return (
          <g key={hour.from}>
            <title>{inWords(hour)}</title>
            <rect {...bar} y={0} height={ground} className="ground" />
            {told > 0 && <rect {...bar} y={ground - told} height={told} className="told" />}
            {held > 0 && <rect {...bar} y={ground - told - held} height={held} fill={`url(#${stripes})`} className="held" />}
            {index % 6 === all.length % 6 && (
              <text x={`${index * width + width / 2}%`} y={HEIGHT - 4} textAnchor="middle">
                {clock(hour.from)}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

function clock(at: number): string {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
}
