/** What heartbeats and their states are called. Pure. */

import { type Heartbeat, Heartbeat_State, Heartbeat_Unit } from "../gen/tocsin/detection/v1/heartbeat_pb";

export const STATE_WORDS: Record<Heartbeat_State, string> = {
  [Heartbeat_State.UNSPECIFIED]: "Unknown",
  [Heartbeat_State.NEVER_PINGED]: "Never pinged",
  [Heartbeat_State.ALIVE]: "Alive",
  [Heartbeat_State.LATE]: "Late",
  [Heartbeat_State.DISABLED]: "Off",
};

export const UNIT_WORDS: Record<Heartbeat_Unit, string> = {
  [Heartbeat_Unit.UNSPECIFIED]: "minute",
  [Heartbeat_Unit.MINUTES]: "minute",
  [Heartbeat_Unit.HOURS]: "hour",
  [Heartbeat_Unit.DAYS]: "day",
};

/** "every 5 minutes", "every hour" */
export function everyInWords(heartbeat: Pick<Heartbeat, "interval" | "unit">): string {
  const unit = UNIT_WORDS[heartbeat.unit] ?? "minute";
  return heartbeat.interval === 1 ? `every ${unit}` : `every ${heartbeat.interval} ${unit}s`;
}

const URGENCY = [Heartbeat_State.LATE, Heartbeat_State.NEVER_PINGED, Heartbeat_State.UNSPECIFIED, Heartbeat_State.ALIVE, Heartbeat_State.DISABLED];

/** What needs somebody first: late, then never pinged, then by name. */
export function inOrder(heartbeats: readonly Heartbeat[]): Heartbeat[] {
  const rank = (heartbeat: Heartbeat) => URGENCY.indexOf(heartbeat.state);
  return heartbeats.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}
