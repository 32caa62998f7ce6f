import { useMutation, useQuery } from "@connectrpc/connect-query";
import { CircleCheck, CirclePause, CircleDashed, HeartPulse, type LucideIcon, Plus, Power, SearchX, Trash2, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { useRefusal } from "../account/caller";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import { type Heartbeat, Heartbeat_State } from "../gen/tocsin/detection/v1/heartbeat_pb";
import { HeartbeatService } from "../gen/tocsin/detection/v1/heartbeat_service_pb";
import { useShortcuts } from "../platform/keys";
import { inWords, toDate, toMilliseconds } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { useOutcome } from "../ui/useOutcome";
import { useRows } from "../ui/useRows";
import { AddDialog } from "./AddDialog";
import { everyInWords, inOrder, STATE_WORDS } from "./words";

const VIEWS = ["all", "late", "never", "alive", "off"] as const;
type View = (typeof VIEWS)[number];
const VIEW_LABELS: Record<View, string> = { all: "All", late: "Late", never: "Never pinged", alive: "Alive", off: "Off" };
const VIEW_STATES: Record<View, Heartbeat_State> = {
  all: Heartbeat_State.UNSPECIFIED,
  late: Heartbeat_State.LATE,
  never: Heartbeat_State.NEVER_PINGED,
  alive: Heartbeat_State.ALIVE,
  off: Heartbeat_State.DISABLED,
};

// A ping tells no fact.
const ASK_AGAIN = 15_000;

/** What is expected to report in, and what does not. */
export default function HeartbeatsPage() {
  const [view, setView] = useFilter<View>("state", "all", VIEWS);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Heartbeat>();
  const refusal = useRefusal(Role.MANAGER);
  const answer = useQuery(HeartbeatService.method.listHeartbeats, {}, { refetchInterval: ASK_AGAIN });
  const all = answer.data?.heartbeats ?? [];
  const shown = inOrder(view === "all" ? all : all.filter((heartbeat) => heartbeat.state === VIEW_STATES[view]));
  const { move } = useRows();
  useShortcuts({ j: () => move(1), k: () => move(-1), n: () => refusal === undefined && setAdding(true) });
  useEffect(() => {
    document.title = "Heartbeats · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>Heartbeats</h1>
      <div className="filters">
        <Choice label="State" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: VIEW_LABELS[value], ...counted(all, value) }))} />
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} aria-keyshortcuts="n" onClick={() => setAdding(true)}>
          <Plus aria-hidden /> New heartbeat <kbd aria-hidden>n</kbd>
        </button>
      </div>
      {answer.isPending && <Loading what="heartbeats" />}
      {answer.isError && !answer.data && <Failure what="Heartbeats" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && all.length === 0 && (
        <Empty icon={HeartPulse} title="No heartbeats yet">
          Let a nightly job or a monitor report in regularly: if it falls silent, an alert opens.
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <Empty icon={SearchX} title={`None is ${VIEW_LABELS[view].toLowerCase()}`} />}
      {shown.length > 0 && (
        <div className="heartbeats" role="table" aria-label="Heartbeats">
          <div role="row" className="heartbeat-head">
            {["State", "Heartbeat", "Expected", "Last ping", "Due", "Actions"].map((name) => (
              <span key={name} role="columnheader">
                {name}
              </span>
            ))}
          </div>
          {shown.map((heartbeat) => (
            <HeartbeatRow key={heartbeat.name} heartbeat={heartbeat} onRemove={() => setRemoving(heartbeat)} />
          ))}
        </div>
      )}
      {adding && <AddDialog onClose={() => setAdding(false)} />}
      {removing && <RemoveDialog heartbeat={removing} onClose={() => setRemoving(undefined)} />}
    </main>
  );
}

function counted(all: readonly Heartbeat[], view: View): { count?: number } {
  return view === "all" ? {} : { count: all.filter((heartbeat) => heartbeat.state === VIEW_STATES[view]).length };
}

const STATES: Record<Heartbeat_State, [LucideIcon, string]> = {
  [Heartbeat_State.UNSPECIFIED]: [CircleDashed, "quiet"],
  [Heartbeat_State.NEVER_PINGED]: [CircleDashed, "warn"],
  [Heartbeat_State.ALIVE]: [CircleCheck, "good"],
  [Heartbeat_State.LATE]: [TriangleAlert, "bad"],
  [Heartbeat_State.DISABLED]: [CirclePause, "quiet"],
};

function HeartbeatRow({ heartbeat, onRemove }: { heartbeat: Heartbeat; onRemove: () => void }) {
  const [Icon, tone] = STATES[heartbeat.state] ?? STATES[Heartbeat_State.UNSPECIFIED];
  const grace = toMilliseconds(heartbeat.grace);
  const pinged = toDate(heartbeat.lastPingAt);
  return (
    <div role="row" className={`heartbeat-row ${tone}`} data-id={heartbeat.name} data-row tabIndex={0} aria-label={`${heartbeat.name}: ${STATE_WORDS[heartbeat.state]}`}>
      <span role="cell">
        <span className={`badge ${tone}`}>
          <Icon aria-hidden /> {STATE_WORDS[heartbeat.state]}
        </span>
      </span>
      <span role="cell" className="cell-title">
        <strong>{heartbeat.name}</strong>
        <span className="under">{[heartbeat.description, heartbeat.service, heartbeat.ownerTeam && `team ${heartbeat.ownerTeam}`, `by ${heartbeat.integration}`].filter(Boolean).join(" · ")}</span>
      </span>
      <span role="cell">
        {everyInWords(heartbeat)}
        {Boolean(grace) && <span className="under"> + {inWords(grace ?? 0)} grace</span>}
      </span>
      <span role="cell">{pinged ? <Ago at={pinged} /> : <span className="under">never</span>}</span>
      <span role="cell">
        <Due heartbeat={heartbeat} />
      </span>
      <span role="cell" className="cell-actions">
        <Actions heartbeat={heartbeat} onRemove={onRemove} />
      </span>
    </div>
  );
}

function Due({ heartbeat }: { heartbeat: Heartbeat }) {
  const [late, due] = [toDate(heartbeat.lateSince), toDate(heartbeat.dueAt)];
  if (late) {
    return (
      <strong className="bad-text">
        late since <Ago at={late} />
      </strong>
    );
  }
  if (due) return <Ago at={due} />;
  return <span className="under">{heartbeat.state === Heartbeat_State.NEVER_PINGED ? "armed by its first ping" : "—"}</span>;
}

function Actions({ heartbeat, onRemove }: { heartbeat: Heartbeat; onRemove: () => void }) {
  const refusal = useRefusal();
  const managing = useRefusal(Role.MANAGER);
  const ping = useMutation(HeartbeatService.method.pingHeartbeat, useOutcome(`${heartbeat.name} is pinged`, `${heartbeat.name} is not pinged`, HeartbeatService));
  const enable = useMutation(HeartbeatService.method.enableHeartbeat, useOutcome(`${heartbeat.name} is on`, `${heartbeat.name} stays off`, HeartbeatService));
  const disable = useMutation(HeartbeatService.method.disableHeartbeat, useOutcome(`${heartbeat.name} is off`, `${heartbeat.name} stays on`, HeartbeatService));
  const off = heartbeat.state === Heartbeat_State.DISABLED;
  const flip = off ? enable : disable;
  return (
    <>
      <button type="button" className="button small" disabled={refusal !== undefined || ping.isPending} title={refusal ?? "Report in, as its sender does"} onClick={() => ping.mutate({ name: heartbeat.name })}>
        <HeartPulse aria-hidden /> Ping
      </button>
      <button type="button" className="button small" disabled={refusal !== undefined || flip.isPending} title={refusal} onClick={() => flip.mutate({ name: heartbeat.name })}>
        <Power aria-hidden /> {off ? "Switch on" : "Switch off"}
      </button>
      <button type="button" className="button small icon" disabled={managing !== undefined} aria-label={`Remove ${heartbeat.name}`} title={managing ?? "Remove it"} onClick={onRemove}>
        <Trash2 aria-hidden />
      </button>
    </>
  );
}

function RemoveDialog({ heartbeat, onClose }: { heartbeat: Heartbeat; onClose: () => void }) {
  const outcome = useOutcome(`${heartbeat.name} is removed`, `${heartbeat.name} is not removed`, HeartbeatService);
  const remove = useMutation(HeartbeatService.method.deleteHeartbeat, { ...outcome, onSettled: () => outcome.onSettled().then(onClose) });
  return (
    <Dialog title="Remove a heartbeat" onClose={onClose}>
      <DialogForm submit="Remove" tone="danger" onSubmit={() => remove.mutate({ name: heartbeat.name })} onCancel={onClose} busy={remove.isPending}>
        <p className="subject">{heartbeat.name}</p>
        <p>Nobody hears any more when it falls silent. If its alert is open, it ends.</p>
      </DialogForm>
    </Dialog>
  );
}
