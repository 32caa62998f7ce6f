import type { PreviewPagesResponse } from "../gen/tocsin/communication/v1/paging_service_pb";
import type { SimulatedSummons } from "../gen/tocsin/response/v1/escalation_service_pb";
import { channelWord } from "../pages/words";
import { dayAndTime, toDate } from "../platform/time";
import { afterWords } from "./words";

const ROW = 26;
const HEAD = 20;
const LEFT = 22;
const MARKS = [0, 0.25, 0.5, 0.75, 1];

interface TimeLineProps {
  beginning: Date;
  summonses: readonly SimulatedSummons[];
  previews: readonly (PreviewPagesResponse | undefined)[];
}

/** Each person's row in time: a dot where they are asked, a stroke for each page. The table below says the same. */
export function TimeLine({ beginning, summonses, previews }: TimeLineProps) {
  const start = beginning.getTime();
  const all = [...summonses.map((summons) => summons.at), ...previews.flatMap((preview) => preview?.pages.map((page) => page.at) ?? [])];
  const end = Math.max(start + 60_000, ...all.map((at) => toDate(at)?.getTime() ?? start));
  const x = (at: number) => `${LEFT + ((at - start) / (end - start)) * (96 - LEFT)}%`;
  const people = [...new Set(summonses.map((summons) => summons.responder || summons.contact))];
  return (
    <svg className="shifts climb" width="100%" height={HEAD + people.length * ROW + 6} role="img" aria-label="Who is asked when; the table below says the same">
      {MARKS.map((share) => {
        const at = start + share * (end - start);
        return (
          <g key={share}>
            <line className="day" x1={x(at)} x2={x(at)} y1={HEAD - 4} y2="100%" />
            <text className="day-name" x={x(at)} y={12} textAnchor={share === 1 ? "end" : "middle"}>
              {share === 0 ? "opens" : afterWords(at, start)}
            </text>
          </g>
        );
      })}
      {people.map((person, row) => {
        const y = HEAD + row * ROW + ROW / 2;
        return (
          <g key={person}>
            <text className="person" x={14} y={y + 4}>
              {person}
            </text>
            <line className="day" x1={`${LEFT}%`} x2="100%" y1={y} y2={y} />
            {summonses.map((summons, index) => (summons.responder || summons.contact) === person && <Asking key={index} summons={summons} preview={previews[index]} colour={row % 6} x={x} y={y} />)}
          </g>
        );
      })}
    </svg>
  );
}

interface AskingProps {
  summons: SimulatedSummons;
  preview: PreviewPagesResponse | undefined;
  colour: number;
  x: (at: number) => string;
  y: number;
}

function Asking({ summons, preview, colour, x, y }: AskingProps) {
  const at = toDate(summons.at);
  if (at === undefined) return null;
  return (
    <>
      {preview?.pages.map((page, index) => {
        const sent = toDate(page.at);
        return (
          sent && (
            <line key={index} className="stroke" x1={x(sent.getTime())} x2={x(sent.getTime())} y1={y - 9} y2={y + 9}>
              <title>{`${channelWord(page.channel)} to ${page.responder}, ${dayAndTime(sent)}: ${page.reason}`}</title>
            </line>
          )
        );
      })}
      <circle className={`who${colour}`} cx={x(at.getTime())} cy={y} r={5.5}>
        <title>{`${dayAndTime(at)}: ${summons.explanation || summons.reason}`}</title>
      </circle>
    </>
  );
}
