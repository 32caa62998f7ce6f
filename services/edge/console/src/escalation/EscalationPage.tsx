import { useQuery } from "@connectrpc/connect-query";
import { Megaphone, SearchX } from "lucide-react";
import { useEffect } from "react";
import type { EscalationPolicy } from "../gen/tocsin/response/v1/escalation_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { isPlatforms } from "../platform/itself";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { TextFilter } from "../ui/TextFilter";
import { useFilter } from "../ui/useFilter";
import { Ladder } from "./Ladder";
import { Simulation } from "./Simulation";

const MOST = 50;

/** Who is asked, in which order, for how long; and what would come of it. */
export default function EscalationPage() {
  const [word, setWord] = useFilter<string>("text", "");
  const [subject, setSubject] = useFilter<string>("of", "");
  const answer = useQuery(ResponseService.method.exportConfiguration, {}, { staleTime: 30_000 });
  const services = (useQuery(TriageService.method.listServices, {}).data?.services ?? []).filter((service) => !isPlatforms(service.name));
  const policies = (answer.data?.configuration?.escalationPolicies ?? []).filter((policy) => !isPlatforms(policy.name));
  const found = policies.filter((policy) => `${policy.name} ${policy.displayName}`.toLowerCase().includes(word.toLowerCase()));
  useEffect(() => {
    document.title = "Escalation · Tocsin";
  }, []);
  const tryOut = (policy: string) => {
    setSubject(`policy:${policy}`);
    document.getElementById("simulation")?.scrollIntoView({ block: "start" });
  };
  return (
    <main id="main">
      <h1>Escalation</h1>
      <Simulation policies={policies} services={services} subject={subject} onSubject={setSubject} />
      <div className="filters">
        <TextFilter label="Policy" value={word} onChange={setWord} />
      </div>
      {answer.isPending && <Loading what="policies" />}
      {answer.isError && !answer.data && <Failure what="Policies" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && policies.length === 0 && (
        <Empty icon={Megaphone} title="There is no policy yet">
          Without one the platform's fallback is asked. Policies are kept in files: <code>tocsin apply</code>.
        </Empty>
      )}
      {policies.length > 0 && found.length === 0 && <Empty icon={SearchX} title={`No policy is called “${word}”`} />}
      <div className="policies">
        {found.slice(0, MOST).map((policy) => (
          <Policy key={policy.name} policy={policy} users={services.filter((service) => service.escalationPolicy === policy.name).map((service) => service.name)} onTry={tryOut} />
        ))}
      </div>
      {found.length > MOST && <p className="under">{found.length - MOST} more policies: look for one by its name.</p>}
    </main>
  );
}

function Policy({ policy, users, onTry }: { policy: EscalationPolicy; users: string[]; onTry: (policy: string) => void }) {
  return (
    <Panel
      title={policy.displayName || policy.name}
      aside={
        <button type="button" className="button small" onClick={() => onTry(policy.name)}>
          Try it
        </button>
      }
    >
      <p className="inset under">
        {policy.name} · {users.length === 0 ? "no service names it" : `for ${users.join(", ")}`}
      </p>
      <Ladder policy={policy} />
    </Panel>
  );
}
