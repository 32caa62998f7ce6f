/** What waits for somebody, what runs, and which playbooks there are. */

import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { BookOpen, CircleCheck, Play } from "lucide-react";
import { useEffect, useState } from "react";
import { useRefusal } from "../account/caller";
import type { PlaybookVersion } from "../gen/tocsin/response/v1/playbook_pb";
import { PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Dialog } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { QuestionCard } from "./QuestionCard";
import { RunLine } from "./RunsPanel";
import { StartDialog } from "./StartDialog";

const VIEWS = ["questions", "runs", "playbooks"] as const;
type View = (typeof VIEWS)[number];
const LABELS = { questions: "Waiting for somebody", runs: "Runs", playbooks: "Playbooks" } as const;

export default function PlaybooksPage() {
  const [view, setView] = useFilter<View>("view", "questions", VIEWS);
  useEffect(() => {
    document.title = "Playbooks · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>Playbooks</h1>
      <div className="filters">
        <Choice label="View" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: LABELS[value] }))} />
      </div>
      {view === "questions" && <Questions />}
      {view === "runs" && <Runs />}
      {view === "playbooks" && <Library />}
    </main>
  );
}

function Questions() {
  const answer = useQuery(PlaybookService.method.listQuestions, { pageSize: 200 });
  const questions = answer.data?.questions ?? [];
  return (
    <Panel title="Waiting for somebody" aside={<span className="count">{questions.length}</span>}>
      {answer.isPending && <Loading what="questions" />}
      {answer.isError && !answer.data && <Failure what="Questions" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && questions.length === 0 && <Empty icon={CircleCheck} title="No playbook waits for anybody" />}
      <ul className="questions">
        {questions.map((question) => (
          <QuestionCard key={question.id} question={question} />
        ))}
      </ul>
    </Panel>
  );
}

function Runs() {
  const answer = useInfiniteQuery(
    PlaybookService.method.listRuns,
    { pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
  const runs = answer.data?.pages.flatMap((page) => page.runs) ?? [];
  return (
    <Panel title="Runs" aside={<span className="count">{runs.length}{answer.hasNextPage ? "+" : ""}</span>}>
      {answer.isPending && <Loading what="runs" />}
      {answer.isError && !answer.data && <Failure what="Runs" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && runs.length === 0 && <Empty icon={BookOpen} title="No playbook was run yet" />}
      <ul className="pages">
        {runs.map((run) => (
          <RunLine key={run.id} run={run} />
        ))}
      </ul>
      {answer.hasNextPage && (
        <button type="button" className="button more" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
          Older runs
        </button>
      )}
    </Panel>
  );
}

function Library() {
  const [opened, setOpened] = useState("");
  const [starting, setStarting] = useState("");
  const refusal = useRefusal();
  const answer = useQuery(PlaybookService.method.listPlaybooks, { pageSize: 500 });
  const known = answer.data?.playbooks ?? [];
  return (
    <Panel title="Playbooks" aside={<span className="count">{known.length}</span>}>
      {answer.isPending && <Loading what="playbooks" />}
      {answer.isError && !answer.data && <Failure what="Playbooks" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && known.length === 0 && (
        <Empty icon={BookOpen} title="There is no playbook yet">
          A manager applies files of the kind Playbook, or puts one: <code>tocsin playbook put FILE</code>
        </Empty>
      )}
      <ul className="pages">
        {known.map((each) => (
          <li key={each.playbook} data-id={each.playbook}>
            <p className="line">
              <span>
                <button type="button" className="link" data-row onClick={() => setOpened(each.playbook)}>
                  {each.playbook}
                </button>{" "}
                <span className="under">version {each.version}</span>
              </span>
              <button type="button" className="button small" disabled={refusal !== undefined || each.retired} title={refusal} onClick={() => setStarting(each.playbook)}>
                <Play aria-hidden /> Run…
              </button>
            </p>
            <p className="under">
              {each.title}
              {each.retired && " · retired"} · <Tried version={each} />
            </p>
          </li>
        ))}
      </ul>
      {opened && <Source playbook={opened} onClose={() => setOpened("")} />}
      {starting && <StartDialog incidentId="" playbook={starting} onClose={() => setStarting("")} />}
    </Panel>
  );
}

function Tried({ version }: { version: PlaybookVersion }) {
  const at = toDate(version.lastDryRunAt);
  return at ? (
    <>
      tried without effect <Ago at={at} />
    </>
  ) : (
    <>never tried without effect</>
  );
}

function Source({ playbook, onClose }: { playbook: string; onClose: () => void }) {
  const answer = useQuery(PlaybookService.method.getPlaybook, { playbook });
  return (
    <Dialog title={playbook} onClose={onClose} wide>
      {answer.isPending && <Loading what="the playbook" />}
      {answer.isError && <Failure what="The playbook" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data?.version && (
        <>
          <p className="under">{answer.data.version.description}</p>
          <pre className="source">{answer.data.version.content}</pre>
        </>
      )}
    </Dialog>
  );
}
