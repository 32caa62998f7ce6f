import { useMutation, useQuery } from "@connectrpc/connect-query";
import { BellOff, CalendarClock, CircleStop, History, Hourglass, type LucideIcon, Pencil, Plus } from "lucide-react";
import { useEffect, useState } from "react";
import { useRefusal } from "../account/caller";
import { type Silence, Silence_State } from "../gen/tocsin/detection/v1/noise_pb";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { useShortcuts } from "../platform/keys";
import { toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { useNotices } from "../ui/Notices";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { useRows } from "../ui/useRows";
import { Matchers } from "./Matchers";
import { NoisePlot } from "./NoisePlot";
import { useNoiseOutcome } from "./outcome";
import { SilenceDialog } from "./SilenceDialog";
import { WindowDialog } from "./WindowDialog";
import { WindowsPanel } from "./WindowsPanel";

const VIEWS = ["now", "expired"] as const;
type View = (typeof VIEWS)[number];
const VIEW_LABELS: Record<View, string> = { now: "Active and coming", expired: "Expired" };
const STATES: Record<View, Silence_State[]> = { now: [Silence_State.ACTIVE, Silence_State.PENDING], expired: [Silence_State.EXPIRED] };

/** What people hold back, and until when. */
export default function SilencesPage() {
  const [asked, setAsked] = useState<"silence" | "window">();
  const refusal = useRefusal();
  const { move } = useRows();
  const ask = (what: "silence" | "window") => () => refusal === undefined && setAsked(what);
  useShortcuts({ j: () => move(1), k: () => move(-1), n: ask("silence"), w: ask("window") });
  useEffect(() => {
    document.title = "Silences · Tocsin";
  }, []);
  const button = { type: "button", className: "button", disabled: refusal !== undefined, title: refusal } as const;
  return (
    <main id="main">
      <h1>Silences and maintenance</h1>
      <div className="filters">
        <button {...button} aria-keyshortcuts="n" onClick={ask("silence")}>
          <Plus aria-hidden /> New silence <kbd aria-hidden>n</kbd>
        </button>
        <button {...button} aria-keyshortcuts="w" onClick={ask("window")}>
          <CalendarClock aria-hidden /> New maintenance window <kbd aria-hidden>w</kbd>
        </button>
      </div>
      <NoisePlot />
      <Silences />
      <WindowsPanel />
      {asked === "silence" && <SilenceDialog onClose={() => setAsked(undefined)} />}
      {asked === "window" && <WindowDialog onClose={() => setAsked(undefined)} />}
    </main>
  );
}

function Silences() {
  const [view, setView] = useFilter<View>("silences", "now", VIEWS);
  const [editing, setEditing] = useState<Silence>();
  const answer = useQuery(NoiseService.method.listSilences, { states: STATES[view], pageSize: 500 });
  const silences = answer.data?.silences ?? [];
  return (
    <Panel title="Silences" aside={<Choice label="Silences" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: VIEW_LABELS[value] }))} />}>
      {answer.isPending && <Loading what="silences" />}
      {answer.isError && !answer.data && <Failure what="Silences" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && silences.length === 0 && (
        <Empty icon={BellOff} title={view === "now" ? "Nothing is silenced" : "No silence has expired"}>
          A silence holds back what its matchers match, for a while.
        </Empty>
      )}
      <ul>
        {silences.map((silence) => (
          <SilenceRow key={silence.id} silence={silence} onEdit={() => setEditing(silence)} />
        ))}
      </ul>
      {editing && <SilenceDialog silence={editing} onClose={() => setEditing(undefined)} />}
    </Panel>
  );
}

const STATE_WORDS: Record<Silence_State, [LucideIcon, string, string]> = {
  [Silence_State.UNSPECIFIED]: [BellOff, "Unknown", "quiet"],
  [Silence_State.PENDING]: [Hourglass, "Pending", "warn"],
  [Silence_State.ACTIVE]: [BellOff, "Active", "info"],
  [Silence_State.EXPIRED]: [History, "Expired", "quiet"],
};

function SilenceRow({ silence, onEdit }: { silence: Silence; onEdit: () => void }) {
  const [Icon, word, tone] = STATE_WORDS[silence.state] ?? STATE_WORDS[Silence_State.UNSPECIFIED];
  const [starts, ends] = [toDate(silence.startsAt), toDate(silence.endsAt)];
  return (
    <li className={`rule-row ${tone}`} data-id={silence.id} data-row tabIndex={0} aria-label={`${word}: ${silence.comment}`}>
      <span>
        <span className={`badge ${tone}`}>
          <Icon aria-hidden /> {word}
        </span>
      </span>
      <span className="cell-title">
        <strong>{silence.comment}</strong>
        <Matchers matchers={silence.matchers} />
        <span className="under">by {silence.createdBy || "nobody known"}</span>
      </span>
      <span className="under">
        {silence.state === Silence_State.PENDING && starts && (
          <>
            begins <Ago at={starts} />
            <br />
          </>
        )}
        {ends && (
          <>
            {silence.state === Silence_State.EXPIRED ? "ended" : "ends"} <Ago at={ends} />
          </>
        )}
      </span>
      <span>{silence.state === Silence_State.ACTIVE && <span className="count">{silence.held} held</span>}</span>
      <span className="cell-actions">
        <SilenceActions silence={silence} onEdit={onEdit} />
      </span>
    </li>
  );
}

function SilenceActions({ silence, onEdit }: { silence: Silence; onEdit: () => void }) {
  const refusal = useRefusal();
  const notices = useNotices();
  const outcome = useNoiseOutcome("The silence is over");
  const expire = useMutation(NoiseService.method.expireSilence, { ...outcome, onError: (error) => notices.failed("The silence is unchanged", error) });
  const over = silence.state === Silence_State.EXPIRED;
  return (
    <>
      <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={onEdit}>
        <Pencil aria-hidden /> {over ? "Again" : "Change"}
      </button>
      {!over && (
        <button type="button" className="button small" disabled={refusal !== undefined || expire.isPending} title={refusal} onClick={() => expire.mutate({ silenceId: silence.id })}>
          <CircleStop aria-hidden /> End now
        </button>
      )}
    </>
  );
}
