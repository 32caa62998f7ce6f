/** Where the senders of an integration knock, how they show the key, and a command that tries it. Pure. */

import type { Integration } from "../gen/tocsin/detection/v1/integration_pb";

export interface Door {
  address: string;
  /** How the key is shown, for people. */
  key: string;
  /** A command to try it with; KEY stands for the key. */
  attempt: string;
}

const JSON_TYPE = "-H 'Content-Type: application/json'";

/** `origin` is the address of the console, which senders use too unless a proxy gives them another. */
export function doorOf({ kind }: Pick<Integration, "kind">, origin: string): Door {
  switch (kind) {
    case "alertmanager":
      return {
        address: `${origin}/api/v2/alerts`,
        key: "as Bearer token or Basic password, or in the address: " + `${origin}/KEY`,
        attempt: curl(`${origin}/api/v2/alerts`, "-H 'Authorization: Bearer KEY'", '[{"labels": {"alertname": "Try"}}]'),
      };
    case "pagerduty":
      return {
        address: `${origin}/v2/enqueue`,
        key: "as routing_key in the event",
        attempt: curl(`${origin}/v2/enqueue`, "", '{"routing_key": "KEY", "event_action": "trigger", "payload": {"summary": "Try", "source": "me", "severity": "info"}}'),
      };
    case "opsgenie":
      return {
        address: `${origin}/v2/alerts`,
        key: "as Authorization: GenieKey KEY",
        attempt: curl(`${origin}/v2/alerts`, "-H 'Authorization: GenieKey KEY'", '{"message": "Try", "alias": "try"}'),
      };
    case "heartbeat":
      return {
        address: `${origin}/heartbeat/KEY/NAME`,
        key: "in the address, or as Bearer token; NAME is the heartbeat's",
        attempt: `curl -fsS -X POST -H 'Authorization: Bearer KEY' ${origin}/heartbeat/NAME`,
      };
    case "email": {
      const host = new URL(origin).hostname;
      return {
        address: `KEY@${host}`,
        key: "is what stands before the @; mail for it has to reach Tocsin's SMTP port",
        attempt: `printf 'Subject: PROBLEM: Try\\n\\nTry' | curl -sS --mail-from me@example.org --mail-rcpt KEY@${host} --upload-file - smtp://${host}:PORT`,
      };
    }
    default:
      return {
        address: `${origin}/${kind}`,
        key: `as Bearer token, Basic password or X-Tocsin-Key, or in the address: ${origin}/${kind}/KEY`,
        attempt: curl(`${origin}/${kind}`, "-H 'Authorization: Bearer KEY'", SAMPLES[kind] ?? '{"title": "Try", "key": "try"}'),
      };
  }
}

const SAMPLES: Record<string, string> = {
  "alertmanager-webhook": '{"version": "4", "status": "firing", "groupKey": "try", "alerts": [{"status": "firing", "labels": {"alertname": "Try"}}]}',
  grafana: '{"version": "1", "status": "firing", "groupKey": "try", "alerts": [{"status": "firing", "labels": {"alertname": "Try"}}]}',
  cloudevents: '{"specversion": "1.0", "id": "1", "source": "/try", "type": "try", "data": {"title": "Try"}}',
};

function curl(address: string, header: string, body: string): string {
  return ["curl -fsS", header, JSON_TYPE, address, `-d '${body}'`].filter(Boolean).join(" ");
}
