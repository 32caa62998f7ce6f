/** Preparation, scored between incidents: what is missing, and how to mend it. */

import { useQuery } from "@connectrpc/connect-query";
import { ShieldCheck } from "lucide-react";
import { useEffect } from "react";
import type { Readiness } from "../gen/tocsin/response/v1/command_pb";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";

export default function ReadinessPage() {
  const answer = useQuery(CommandService.method.getReadiness, {});
  const teams = answer.data?.teams ?? [];
  useEffect(() => {
    document.title = "Readiness · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>Readiness</h1>
      {answer.isPending && <Loading what="readiness" />}
      {answer.isError && !answer.data && <Failure what="Readiness" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && teams.length === 0 && <Empty icon={ShieldCheck} title="There is no team yet" />}
      {teams.map((team) => (
        <Team key={team.team} readiness={team} />
      ))}
    </main>
  );
}

function Team({ readiness }: { readiness: Readiness }) {
  const tone = readiness.score >= 80 ? "good" : readiness.score >= 50 ? "warn" : "bad";
  return (
    <Panel title={readiness.team || "The organisation"} aside={<span className={`badge ${tone}`}>{readiness.score} of 100</span>}>
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
