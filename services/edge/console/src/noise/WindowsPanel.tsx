import { useMutation, useQuery } from "@connectrpc/connect-query";
import { CalendarClock, CalendarOff, CircleStop, Trash2, Wrench } from "lucide-react";
import { useRefusal } from "../account/caller";
import type { PlannedMaintenance } from "../gen/tocsin/detection/v1/noise_pb";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { useNow } from "../platform/now";
import { dayAndTime, inWords, toDate, toMilliseconds } from "../platform/time";
import { useNotices } from "../ui/Notices";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Matchers } from "./Matchers";
import { useNoiseOutcome } from "./outcome";

// A window opens and closes by the clock, which tells no fact.
const ASK_AGAIN = 30_000;

/** When work is planned, and what it holds back. */
export function WindowsPanel() {
  const answer = useQuery(NoiseService.method.listMaintenanceWindows, { occurrences: 3 }, { refetchInterval: ASK_AGAIN });
  const planned = answer.data?.planned ?? [];
  return (
    <Panel title="Maintenance windows">
      {answer.isPending && <Loading what="windows" />}
      {answer.isError && !answer.data && <Failure what="Windows" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && planned.length === 0 && (
        <Empty icon={CalendarOff} title="No work is planned">
          A window holds back what it is about while it is open: once, or again and again.
        </Empty>
      )}
      <ul>
        {planned.map((each) => each.window && <WindowRow key={each.window.name} planned={each} />)}
      </ul>
    </Panel>
  );
}

function WindowRow({ planned }: { planned: PlannedMaintenance }) {
  const now = useNow();
  const window = planned.window!;
  const next = planned.occurrences[0];
  const [opens, closes] = [toDate(next?.startsAt), toDate(next?.endsAt)];
  const open = opens !== undefined && closes !== undefined && opens.getTime() <= now && now < closes.getTime();
  const over = next === undefined;
  const [tone, word] = open ? ["info", "Open"] : over ? ["quiet", "Over"] : ["quiet", "Planned"];
  const Icon = open ? Wrench : over ? CalendarOff : CalendarClock;
  return (
    <li className={`rule-row ${tone}`} data-id={window.name} data-row tabIndex={0} aria-label={`${word}: ${window.name}`}>
      <span>
        <span className={`badge ${tone}`}>
          <Icon aria-hidden /> {word}
        </span>
      </span>
      <span className="cell-title">
        <strong>{window.description || window.name}</strong>
        <Matchers matchers={[...window.services.map((service) => `service ${service}`), ...window.matchers]} />
        <span className="under">
          {window.name}
          {planned.keptInFiles ? " · kept in files" : planned.createdBy && ` · by ${planned.createdBy}`}
          {window.recurrence && ` · ${window.recurrence}`}
        </span>
      </span>
      <span className="under">
        {planned.occurrences.map((occurrence, index) => {
          const at = toDate(occurrence.startsAt);
          return <div key={index}>{at && dayAndTime(at)}</div>;
        })}
      </span>
      <span className="under">for {inWords(toMilliseconds(window.length) ?? 0)}</span>
      <span className="cell-actions">
        <WindowActions name={window.name} open={open} kept={planned.keptInFiles} />
      </span>
    </li>
  );
}

function WindowActions({ name, open, kept }: { name: string; open: boolean; kept: boolean }) {
  const refusal = useRefusal();
  const notices = useNotices();
  const failed = { onError: (error: unknown) => notices.failed("The window is unchanged", error) };
  const end = useMutation(NoiseService.method.endMaintenanceWindow, { ...useNoiseOutcome(`${name} is closed`), ...failed });
  const remove = useMutation(NoiseService.method.removeMaintenanceWindow, { ...useNoiseOutcome(`${name} is removed`), ...failed });
  return (
    <>
      {open && (
        <button type="button" className="button small" disabled={refusal !== undefined || end.isPending} title={refusal} onClick={() => end.mutate({ name })}>
          <CircleStop aria-hidden /> Close now
        </button>
      )}
      {!kept && (
        <button type="button" className="button small icon" disabled={refusal !== undefined || remove.isPending} aria-label={`Remove ${name}`} title={refusal ?? "Remove it"} onClick={() => remove.mutate({ name })}>
          <Trash2 aria-hidden />
        </button>
      )}
    </>
  );
}
