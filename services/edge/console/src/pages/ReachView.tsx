import { useInfiniteQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, PhoneOff } from "lucide-react";
import type { Reachability } from "../gen/tocsin/communication/v1/contact_pb";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { isPlatforms } from "../platform/itself";
import { toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { channelWord, healthWord } from "./words";

const WHICH = ["all", "problems"] as const;
const SIZE = 100;

/** Whether each responder can be reached on two channels. */
export function ReachView() {
  const [which, setWhich] = useFilter<(typeof WHICH)[number]>("which", "all", WHICH);
  const answer = useInfiniteQuery(
    ContactService.method.listReachability,
    { onlyProblems: which === "problems", pageSize: SIZE, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined, placeholderData: keepPreviousData },
  );
  const people = answer.data?.pages.flatMap((page) => page.responders).filter((person) => !isPlatforms(person.responder)) ?? [];
  const onCallFirst = people.toSorted((a, b) => Number(b.onCall) - Number(a.onCall));
  return (
    <Panel
      title="Two channels each"
      aside={
        <Choice
          label="Which"
          value={which}
          onChange={setWhich}
          options={[
            { value: "all", label: "All" },
            { value: "problems", label: "In doubt" },
          ]}
        />
      }
    >
      {answer.isPending && <Loading what="contact methods" />}
      {answer.isError && !answer.data && <Failure what="Contact methods" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && people.length === 0 && <Empty icon={PhoneOff} title={which === "problems" ? "Everybody can be reached on two channels" : "Nobody has a contact method"} />}
      <ul className="overrides-list">
        {onCallFirst.map((person) => (
          <Person key={person.responder} person={person} />
        ))}
      </ul>
      {answer.hasNextPage && (
        <button type="button" className="button more" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
          More people
        </button>
      )}
    </Panel>
  );
}

function Person({ person }: { person: Reachability }) {
  const checked = toDate(person.checkedAt);
  return (
    <li>
      <span>
        <strong>{person.responder}</strong> {person.onCall && <span className="badge info">on call or soon</span>}
        <span className={person.reachable ? "under" : "under bad-text"}>
          {person.problem || "two kinds of channel are confirmed and work"}
          {checked && (
            <>
              {" · looked at it "}
              <Ago at={checked} />
            </>
          )}
        </span>
        <span className="under">
          {person.contacts.map((contact) => `${channelWord(contact.contactMethod?.kind ?? 0)} ${healthWord(contact.health)[0]}${contact.confirmedAt ? "" : ", not confirmed"}`).join(" · ")}
        </span>
      </span>
      <span className={`badge ${person.reachable ? "good" : "bad"}`}>
        {person.reachable ? <CircleCheck aria-hidden /> : <CircleAlert aria-hidden />} {person.reachable ? "reachable" : "in doubt"}
      </span>
    </li>
  );
}
