/** Preparation, scored between incidents: what is missing, and how to mend it. */

import { useQuery } from "@connectrpc/connect-query";
import { ShieldCheck } from "lucide-react";
import { useEffect } from "react";
import type { Readiness } from "../gen/tocsin/response/v1/command_pb";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { isPlatforms } from "../platform/itself";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";

export default function ReadinessPage() {
  const catalogue = useQuery(TriageService.method.listServices, {});
  const own = (catalogue.data?.services ?? []).filter((each) => !isPlatforms(each.name));
  const services = own.map((each) => ({ service: each.name, team: each.team, escalationPolicy: each.escalationPolicy }));
  const answer = useQuery(CommandService.method.getReadiness, { services }, { enabled: !catalogue.isPending });
  const found = [...(answer.data?.teams ?? []), ...(answer.data?.services ?? [])];
  useEffect(() => {
    document.title = "Readiness · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>
        Readiness {answer.data && found.length > 0 && <span className={`badge ${toneOf(answer.data.score)}`}>{answer.data.score} of 100 overall</span>}
      </h1>
      {answer.isPending && <Loading what="readiness" />}
      {answer.isError && !answer.data && <Failure what="Readiness" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && found.length === 0 && <Empty icon={ShieldCheck} title="There is no team yet" />}
      {found.map((each) => (
        <Score key={`${each.service}/${each.team}`} readiness={each} />
      ))}
    </main>
  );
}

function toneOf(score: number) {
  return score >= 80 ? "good" : score >= 50 ? "warn" : "bad";
}

function Score({ readiness }: { readiness: Readiness }) {
  const tone = toneOf(readiness.score);
  return (
    <Panel title={readiness.service ? `Service ${readiness.service}` : `Team ${readiness.team}`} aside={<span className={`badge ${tone}`}>{readiness.score} of 100</span>}>
      <div className="score" role="img" aria-label={`${readiness.score} of 100`}>
        <span className={tone} style={{ inlineSize: `${Math.max(1, readiness.score)}%` }} />
      </div>
      <ul className="pages">
        {readiness.findings.map((finding) => (
          <li key={`${finding.check}-${finding.subject}`}>
            <p className="line">
              <span>
                <strong>{finding.check}</strong> <span className="under">{finding.subject}</span>
              </span>
              <span className={`badge ${finding.points >= finding.of ? "good" : finding.points > 0 ? "warn" : "bad"}`}>
                {finding.points} of {finding.of}
              </span>
            </p>
            <p className="under">{finding.seen}</p>
            {finding.points < finding.of && finding.remedy && <p className="why">{finding.remedy}</p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
