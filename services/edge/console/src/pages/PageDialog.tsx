import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Check, Megaphone } from "lucide-react";
import { Link } from "wouter";
import { useCaller } from "../account/caller";
import { type Attempt, type Page, Page_Kind } from "../gen/tocsin/communication/v1/page_pb";
import { Answer, PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import { toDate } from "../platform/time";
import { Dialog } from "../ui/Dialog";
import { Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { usePagingOutcome } from "./outcome";
import { channelWord, kindWord, outcomeWord, stateWord } from "./words";

/** One page: why it was made, each attempt and what the provider said, and what it says. */
export function PageDialog({ pageId, onClose }: { pageId: string; onClose: () => void }) {
  const answer = useQuery(PagingService.method.getPage, { pageId });
  const page = answer.data?.page;
  return (
    <Dialog title={page?.subject || "Page"} onClose={onClose} wide>
      <div className="form">
        {answer.isPending && <Loading what="the page" />}
        {answer.isError && !page && <Failure what="The page" error={answer.error} retry={() => void answer.refetch()} />}
        {page && <Story page={page} attempts={answer.data?.attempts ?? []} body={answer.data?.body ?? ""} />}
      </div>
    </Dialog>
  );
}

function Story({ page, attempts, body }: { page: Page; attempts: readonly Attempt[]; body: string }) {
  const [word, tone] = stateWord(page.state);
  return (
    <>
      <p>
        <strong>{page.responder}</strong> {kindWord(page.kind)} over {page.contactMethod ? `${channelWord(page.channel)} ${page.contactMethod}` : "nothing: there is no contact method"}{" "}
        <span className={`badge ${tone}`}>{word}</span>
      </p>
      {page.stateReason && <p className="why">{page.stateReason}</p>}
      <h3>Why?</h3>
      <p>{page.reason || "Nobody said."}{page.delegatedFrom && ` It was for ${page.delegatedFrom}, who delegated their pages.`}</p>
      {page.incidentId && (
        <p>
          <Link href={`/incidents/${page.incidentId}`}>The incident</Link>
        </p>
      )}
      <Moments page={page} />
      <h3>Attempts</h3>
      {attempts.length === 0 && <p className="under">It was not handed to a provider.</p>}
      <ol className="attempts">
        {attempts.map((attempt, index) => (
          <Tried key={index} attempt={attempt} />
        ))}
      </ol>
      {page.resentAfterUnknown && <p className="under">It was sent again after an attempt whose outcome is unknown, so it may have come twice.</p>}
      {body && (
        <details>
          <summary>What it says</summary>
          <pre className="code">{body}</pre>
        </details>
      )}
      <Answers page={page} />
    </>
  );
}

function Moments({ page }: { page: Page }) {
  const moments: [string, Date | undefined][] = [
    ["made", toDate(page.createdAt)],
    ["due", toDate(page.dueAt)],
    ["accepted by the provider", toDate(page.sentAt)],
    ["arrived", toDate(page.deliveredAt)],
    ["seen", toDate(page.seenAt)],
    ["answered", toDate(page.answeredAt)],
    ["next attempt", toDate(page.nextAttemptAt)],
  ];
  return (
    <ul className="moments">
      {moments.map(([name, at]) => at && (
        <li key={name}>
          <span className="under">{name}</span> <At at={at} />
        </li>
      ))}
    </ul>
  );
}

function Tried({ attempt }: { attempt: Attempt }) {
  const [word, tone] = outcomeWord(attempt.outcome);
  const at = toDate(attempt.at);
  return (
    <li>
      {at && <At at={at} />} <span className={`badge ${tone}`}>{word}</span> {attempt.detail}
      <span className="under">
        {" "}
        {attempt.account && `account ${attempt.account}`}
        {attempt.providerId && ` · ${attempt.providerId}`}
      </span>
    </li>
  );
}

/** Only who was asked answers. */
function Answers({ page }: { page: Page }) {
  const me = useCaller().name;
  const answer = useMutation(PagingService.method.answerPage, usePagingOutcome("Your answer was taken", "Your answer was not taken"));
  const asks = page.kind === Page_Kind.SUMMONS || page.kind === Page_Kind.DIRECT;
  if (page.responder !== me || page.answeredAt || !asks) return null;
  return (
    <p className="alert-actions">
      <button type="button" className="button primary" disabled={answer.isPending} onClick={() => answer.mutate({ pageId: page.id, answer: Answer.ACKNOWLEDGE })}>
        <Check aria-hidden /> I take it
      </button>
      <button type="button" className="button" disabled={answer.isPending} onClick={() => answer.mutate({ pageId: page.id, answer: Answer.ESCALATE })}>
        <Megaphone aria-hidden /> I cannot, ask the next one
      </button>
    </p>
  );
}
