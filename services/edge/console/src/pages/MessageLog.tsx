import { skipToken, useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { MailSearch } from "lucide-react";
import { useId } from "react";
import { CommunicationService } from "../gen/tocsin/communication/v1/communication_service_pb";
import type { Page } from "../gen/tocsin/communication/v1/page_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { incidentReference } from "../incidents/words";
import { isPlatforms } from "../platform/itself";
import { useShortcuts } from "../platform/keys";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { TextFilter } from "../ui/TextFilter";
import { At } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { useRows } from "../ui/useRows";
import { PageDialog } from "./PageDialog";
import { PersonField } from "./PersonField";
import { CHANNEL_KINDS, channelWord, kindWord, PAGE_STATES, stateWord } from "./words";

const SIZE = 100;

/** Every message to a person, newest first, by any filter. */
export function MessageLog() {
  const [person, setPerson] = useFilter<string>("responder", "");
  const [incident, setIncident] = useFilter<string>("incident", "");
  const [channel, setChannel] = useFilter<string>("channel", "");
  const [state, setState] = useFilter<string>("state", "");
  const [opened, setOpened] = useFilter<string>("page", "");
  const about = useIncidentId(incident);
  const { move } = useRows();
  useShortcuts({ j: () => move(1), k: () => move(-1) });
  const answer = useInfiniteQuery(
    CommunicationService.method.listPages,
    about.id === undefined
      ? skipToken
      : { responder: person, incidentId: about.id, channels: channel ? [Number(channel)] : [], states: state ? [Number(state)] : [], pageSize: SIZE, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined, placeholderData: keepPreviousData },
  );
  const found = about.id === undefined ? [] : (answer.data?.pages.flatMap((each) => each.pages) ?? []);
  const pages = person || incident ? found : found.filter((page) => !isPlatforms(page.responder));
  return (
    <>
      <div className="filters">
        <PersonField label="Responder" none="Everybody" value={person} onChange={setPerson} />
        <TextFilter label="Incident" placeholder="#7" value={incident} onChange={setIncident} problem={about.problem} />
        <Options label="Channel" value={channel} onChange={setChannel} options={CHANNEL_KINDS.map((kind) => [kind, channelWord(kind)])} />
        <Options label="State" value={state} onChange={setState} options={PAGE_STATES.map((each) => [each, stateWord(each)[0]])} />
      </div>
      <Panel title="Message log" aside={<span className="count">{pages.length}{answer.hasNextPage ? "+" : ""}</span>}>
        {answer.isLoading && <Loading what="pages" />}
        {answer.isError && !answer.data && <Failure what="Pages" error={answer.error} retry={() => void answer.refetch()} />}
        {answer.data && pages.length === 0 && <Empty icon={MailSearch} title={person || incident || channel || state ? "No page is like that" : "Nobody was paged yet"} />}
        <ul className="log">
          {pages.map((page) => (
            <Row key={page.id} page={page} onOpen={() => setOpened(page.id)} />
          ))}
        </ul>
        {answer.hasNextPage && (
          <button type="button" className="button more" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
            Older pages
          </button>
        )}
      </Panel>
      {opened && <PageDialog pageId={opened} onClose={() => setOpened("")} />}
    </>
  );
}

/** The id of the incident that is typed by its number; empty where none is asked for, undefined while it is not known. */
function useIncidentId(text: string): { id: string | undefined; problem: string } {
  const wanted = text === "" ? undefined : incidentReference(text);
  const answer = useQuery(TriageService.method.getIncident, wanted ? { incident: wanted } : skipToken);
  if (text === "") return { id: "", problem: "" };
  if (wanted === undefined) return { id: undefined, problem: "Give the number of an incident, such as 7." };
  if (answer.isError) return { id: undefined, problem: "There is no such incident." };
  return { id: answer.data?.incident?.id, problem: "" };
}

function Row({ page, onOpen }: { page: Page; onOpen: () => void }) {
  const [word, tone] = stateWord(page.state);
  const at = toDate(page.createdAt);
  return (
    <li data-id={page.id}>
      <span className="under">{at && <At at={at} />}</span>
      <span className="log-what">
        <button type="button" className="link" data-row onClick={onOpen}>
          {page.subject || kindWord(page.kind)}
        </button>
        <span className="under">
          <strong>{page.responder}</strong> {kindWord(page.kind)} · {page.contactMethod ? `${channelWord(page.channel)} ${page.contactMethod}` : "has no contact method"}
          {page.delegatedFrom && ` · for ${page.delegatedFrom}`}
          {page.attempts > 1 && ` · ${page.attempts} attempts`}
        </span>
        {page.stateReason && <span className={tone === "bad" ? "under bad-text" : "under"}>{page.stateReason}</span>}
      </span>
      <span className={`badge ${tone}`}>{word}</span>
    </li>
  );
}

interface OptionsProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: [number, string][];
}

function Options({ label, value, onChange, options }: OptionsProps) {
  const id = useId();
  return (
    <div className="filter-field">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">Any</option>
        {options.map(([number, word]) => (
          <option key={number} value={number}>
            {word}
          </option>
        ))}
      </select>
    </div>
  );
}
