/** How pages, channels and contact methods are named on the screen. Pure. */

import { Contact_Health } from "../gen/tocsin/communication/v1/contact_pb";
import { ContactMethod_Kind, Page_Kind, Page_State } from "../gen/tocsin/communication/v1/page_pb";

const CHANNELS: Partial<Record<ContactMethod_Kind, string>> = {
  [ContactMethod_Kind.EMAIL]: "e-mail",
  [ContactMethod_Kind.WEBHOOK]: "webhook",
  [ContactMethod_Kind.SMS]: "SMS",
  [ContactMethod_Kind.VOICE]: "phone call",
  [ContactMethod_Kind.SLACK]: "Slack",
  [ContactMethod_Kind.TEAMS]: "Teams",
  [ContactMethod_Kind.TELEGRAM]: "Telegram",
  [ContactMethod_Kind.NTFY]: "ntfy",
  [ContactMethod_Kind.WEB_PUSH]: "browser",
  [ContactMethod_Kind.APPRISE]: "Apprise",
  [ContactMethod_Kind.MATTERMOST]: "Mattermost",
  [ContactMethod_Kind.DISCORD]: "Discord",
};

export const CHANNEL_KINDS = Object.keys(CHANNELS).map(Number) as ContactMethod_Kind[];

export function channelWord(kind: ContactMethod_Kind): string {
  return CHANNELS[kind] ?? "another channel";
}

const STATES: Partial<Record<Page_State, [string, string]>> = {
  [Page_State.PENDING]: ["waiting", "info"],
  [Page_State.SENDING]: ["being sent", "info"],
  [Page_State.SENT]: ["sent", "good"],
  [Page_State.DELIVERED]: ["delivered", "good"],
  [Page_State.FAILED]: ["failed", "bad"],
  [Page_State.CANCELLED]: ["cancelled", "quiet"],
};

export const PAGE_STATES = Object.keys(STATES).map(Number) as Page_State[];

/** Its name, and the tone it is shown in. */
export function stateWord(state: Page_State): [string, string] {
  return STATES[state] ?? ["unknown", "quiet"];
}

const KINDS: Partial<Record<Page_Kind, string>> = {
  [Page_Kind.SUMMONS]: "asked to respond",
  [Page_Kind.RESOLVED]: "told that it is resolved",
  [Page_Kind.DIRECT]: "asked directly",
  [Page_Kind.TAKEN]: "told that somebody else has it",
  [Page_Kind.BUNDLE]: "told of several at once",
  [Page_Kind.TEST]: "tested",
  [Page_Kind.CONFIRMATION]: "asked to confirm an address",
};

export function kindWord(kind: Page_Kind): string {
  return KINDS[kind] ?? "told";
}

const HEALTH: Partial<Record<Contact_Health, [string, string]>> = {
  [Contact_Health.GOOD]: ["works", "good"],
  [Contact_Health.FAILING]: ["failing", "bad"],
  [Contact_Health.OPTED_OUT]: ["opted out", "bad"],
  [Contact_Health.OFF]: ["not set up here", "warn"],
};

export function healthWord(health: Contact_Health): [string, string] {
  return HEALTH[health] ?? ["unknown", "quiet"];
}

const OUTCOMES: Record<string, [string, string]> = {
  ACCEPTED: ["accepted", "good"],
  DELIVERED: ["delivered", "good"],
  THROTTLED: ["throttled", "warn"],
  TRANSIENT: ["failed for now", "warn"],
  UNKNOWN: ["outcome unknown", "warn"],
  PERMANENT_TARGET: ["address refused", "bad"],
  PERMANENT_CONFIG: ["not set up right", "bad"],
};

export function outcomeWord(outcome: string): [string, string] {
  return OUTCOMES[outcome] ?? [outcome.toLowerCase(), "quiet"];
}
