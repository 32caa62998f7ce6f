import { useQuery } from "@connectrpc/connect-query";
import { KeyRound, Plug, ShieldCheck } from "lucide-react";
import { useEffect } from "react";
import { Link } from "wouter";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import type { Integration } from "../gen/tocsin/detection/v1/integration_pb";
import { useShortcuts } from "../platform/keys";
import { toDate } from "../platform/time";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useRows } from "../ui/useRows";
import { IntegrationPanel } from "./IntegrationPanel";
import { KIND_WORDS } from "./words";

// A report that only repeats what is known tells no fact.
const ASK_AGAIN = 15_000;

/** The doors through which senders report. `name` is the one that is open. */
export default function IntegrationsPage({ name }: { name?: string }) {
  const answer = useQuery(DetectionService.method.listIntegrations, {}, { refetchInterval: ASK_AGAIN });
  const integrations = answer.data?.integrations ?? [];
  const chosen = integrations.find((integration) => integration.name === name);
  const { move } = useRows();
  useShortcuts({ j: () => move(1), k: () => move(-1) });
  useEffect(() => {
    document.title = `${name ?? "Integrations"} · Tocsin`;
  }, [name]);
  return (
    <main id="main">
      <h1>Integrations</h1>
      {answer.isPending && <Loading what="integrations" />}
      {answer.isError && !answer.data && <Failure what="Integrations" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && integrations.length === 0 && (
        <Empty icon={Plug} title="No integrations yet">
          Write one in a file and run <code>tocsin apply</code>.
        </Empty>
      )}
      {integrations.length > 0 && (
        <div className="split">
          <ul className="integrations" aria-label="Integrations">
            {integrations.map((integration) => (
              <Row key={integration.name} integration={integration} current={integration.name === name} />
            ))}
          </ul>
          {chosen ? (
            <IntegrationPanel key={chosen.name} integration={chosen} />
          ) : (
            <div className="panel">
              <Empty icon={Plug} title={name ? `There is no integration “${name}”` : "Choose an integration"}>
                Its key, its secret and what its samples become are shown here.
              </Empty>
            </div>
          )}
        </div>
      )}
    </main>
  );
}

function Row({ integration, current }: { integration: Integration; current: boolean }) {
  const last = toDate(integration.lastReportAt);
  return (
    <li data-id={integration.name}>
      <Link href={`/integrations/${integration.name}`} className="integration-link" aria-current={current ? "true" : undefined} data-row>
        <span>
          <strong>{integration.name}</strong>
          <span className="under">{KIND_WORDS[integration.kind] ?? integration.kind}</span>
        </span>
        <span className="under">
          {integration.secrets > 0 && (
            <span title={`${integration.secrets} live secret${integration.secrets > 1 ? "s" : ""}`}>
              {integration.requiresSignature ? <ShieldCheck aria-label="signatures required" /> : <KeyRound aria-label="has a secret" />}
            </span>
          )}{" "}
          {last ? <Ago at={last} /> : "never reported"}
        </span>
      </Link>
    </li>
  );
}
