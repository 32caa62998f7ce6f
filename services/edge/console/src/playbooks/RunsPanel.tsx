/** The playbooks that run for an incident, and what they ask. */

import { useQuery } from "@connectrpc/connect-query";
import { BookOpen, Play } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import type { Run } from "../gen/tocsin/response/v1/playbook_pb";
import { PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { QuestionCard } from "./QuestionCard";
import { StartDialog } from "./StartDialog";
import { runWord } from "./words";

export default function RunsPanel({ incidentId, over }: { incidentId: string; over: boolean }) {
  const [starting, setStarting] = useState(false);
  const refusal = useRefusal();
  const runs = useQuery(PlaybookService.method.listRuns, { incidentId, pageSize: 50 });
  const questions = useQuery(PlaybookService.method.listQuestions, { incidentId, pageSize: 50 });
  const listed = runs.data?.runs ?? [];
  return (
    <Panel
      title="Playbooks"
      aside={
        !over && (
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setStarting(true)}>
            <Play aria-hidden /> Run a playbook
          </button>
        )
      }
    >
      {runs.isPending && <Loading what="runs" />}
      {runs.isError && !runs.data && <Failure what="Runs" error={runs.error} retry={() => void runs.refetch()} />}
      {runs.data && listed.length === 0 && <Empty icon={BookOpen} title="No playbook was run" />}
      <ul className="questions">
        {questions.data?.questions.map((question) => (
          <QuestionCard key={question.id} question={question} />
        ))}
      </ul>
      <ul className="pages">
        {listed.map((run) => (
          <RunLine key={run.id} run={run} />
        ))}
      </ul>
      {starting && <StartDialog incidentId={incidentId} onClose={() => setStarting(false)} />}
    </Panel>
  );
}

export function RunLine({ run }: { run: Run }) {
  const [word, tone] = runWord(run.state);
  const at = toDate(run.startedAt);
  return (
    <li data-id={run.id}>
      <p className="line">
        <Link href={`/runs/${run.id}`} className="quiet-link" data-row>
          <strong>{run.playbook}</strong> <span className="under">version {run.playbookVersion}</span>
        </Link>
        <span className={`badge ${tone}`}>{run.openQuestions > 0 ? `${word}, asks` : word}</span>
      </p>
      <p className="under">
        {run.startedBy} {at && <At at={at} />}
        {run.simulated && " · simulated"}
        {run.explanation && ` · ${run.explanation}`}
      </p>
    </li>
  );
}
