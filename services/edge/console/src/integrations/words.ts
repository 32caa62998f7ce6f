/** What the kinds of integration are, and what a mapping holds. Pure. */

import type { Mapping } from "../gen/tocsin/detection/v1/integration_pb";

export const KIND_WORDS: Record<string, string> = {
  alertmanager: "Prometheus, or any client of Alertmanager's API",
  "alertmanager-webhook": "Alertmanager's webhook",
  pagerduty: "PagerDuty Events",
  opsgenie: "Opsgenie alerts and heartbeats",
  grafana: "Grafana alerting",
  cloudevents: "CloudEvents",
  sns: "AWS SNS and CloudWatch",
  sentry: "Sentry",
  datadog: "Datadog",
  email: "E-mail",
  heartbeat: "Heartbeats by curl",
  webhook: "Any JSON",
};

export type MappingField = Exclude<keyof Mapping, "$typeName" | "$unknown">;

interface FieldWords {
  field: MappingField;
  label: string;
  hint: string;
}

/** The fields of a mapping in the order in which people think of them. */
export const MAPPING_FIELDS: readonly FieldWords[] = [
  { field: "items", label: "Signals", hint: "body.alerts — a list, one signal each; empty: the body is one" },
  { field: "key", label: "Key", hint: "body.id — what makes it the same alert again" },
  { field: "title", label: "Title", hint: 'body.host + ": " + body.check' },
  { field: "state", label: "State", hint: 'body.ok ? "resolved" : "firing"' },
  { field: "severity", label: "Severity", hint: "body.level" },
  { field: "service", label: "Service", hint: "body.service" },
  { field: "description", label: "Description", hint: "body.message" },
  { field: "url", label: "Link", hint: "body.url" },
  { field: "labels", label: "Labels", hint: '{"host": body.host}' },
];

export type MappingTexts = Record<MappingField, string>;

/** A mapping as texts to edit; all empty where there is none. */
export function textsOf(mapping: Mapping | undefined): MappingTexts {
  return Object.fromEntries(MAPPING_FIELDS.map(({ field }) => [field, mapping?.[field] ?? ""])) as MappingTexts;
}

/** Header lines "Name: value" as the server wants them; lines of another form are left out. */
export function headersOf(text: string): Record<string, string> {
  const pairs = text
    .split("\n")
    .map((line) => line.match(/^\s*([^\s:]+)\s*:\s*(.*?)\s*$/))
    .filter((match) => match !== null)
    .map(([, name, value]) => [name!.toLowerCase(), value!]);
  return Object.fromEntries(pairs) as Record<string, string>;
}
