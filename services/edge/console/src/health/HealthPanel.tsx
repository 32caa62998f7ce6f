import { useQuery } from "@connectrpc/connect-query";
import { CircleCheck, CircleX } from "lucide-react";
import { type ComponentHealth, EdgeService } from "../gen/tocsin/edge/v1/edge_service_pb";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";

const POLL = 15_000;

/** Whether each part of Tocsin works, and how to mend what does not. */
export function HealthPanel() {
  const health = useQuery(EdgeService.method.getHealth, {}, { refetchInterval: POLL });
  const components = health.data?.components ?? [];
  const broken = components.filter((component) => !component.healthy);
  const summary = broken.length === 0 ? "all well" : `${broken.length} of ${components.length} not well`;
  return (
    <Panel title="Platform" aside={health.data && <span className={`badge ${broken.length === 0 ? "good" : "bad"}`}>{summary}</span>}>
      {health.isPending && <Loading what="health" />}
      {health.isError && !health.data && <Failure what="Health" error={health.error} retry={() => void health.refetch()} />}
      <ul className="health">
        {components.map((component) => (
          <Component key={component.name} component={component} />
        ))}
      </ul>
    </Panel>
  );
}

function Component({ component }: { component: ComponentHealth }) {
  if (component.healthy) {
    return (
      <li className="good" title={component.detail}>
        <CircleCheck aria-hidden /> {component.name}
        <span className="visually-hidden"> works</span>
      </li>
    );
  }
  return (
    <li className="bad">
      <CircleX aria-hidden /> <strong>{component.name}</strong> <span>does not work</span>
      {component.detail && <p>{component.detail}</p>}
      {component.remedy && <p className="remedy">{component.remedy}</p>}
    </li>
  );
}
