import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createQueryOptions, skipToken, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { type SyntheticEvent, useId, useState } from "react";
import { type PreviewPagesResponse, PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import type { EscalationPolicy } from "../gen/tocsin/response/v1/escalation_pb";
import { EscalationService, type SimulatedSummons, type SimulateEscalationResponse } from "../gen/tocsin/response/v1/escalation_service_pb";
import type { Service } from "../gen/tocsin/triage/v1/catalogue_pb";
import { Severity } from "../gen/tocsin/triage/v1/incident_pb";
import { SEVERITIES, SEVERITY_WORDS } from "../incidents/words";
import { channelWord } from "../pages/words";
import { absolute, dayAndTime, inWords, toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { WhenField } from "../ui/WhenField";
import { TimeLine } from "./TimeLine";
import { afterWords, pageUrgency, urgencyWord } from "./words";

/** Nobody reads further, and every line asks communication once. */
const MOST = 40;

interface Asked {
  escalationPolicy: string;
  team: string;
  service: string;
  severity: Severity;
  at: Date;
}

interface SimulationProps {
  policies: readonly EscalationPolicy[];
  services: readonly Service[];
  /** "service:checkout", "policy:shop", or nothing: the platform's own policy. */
  subject: string;
  onSubject: (subject: string) => void;
}

/** Who would be paged when, and on which channel, if an incident opened at an instant and nobody answered. */
export function Simulation({ policies, services, subject, onSubject }: SimulationProps) {
  const id = useId();
  const [severity, setSeverity] = useState<Severity>(Severity.SEV2);
  const [at, setAt] = useState<Date | undefined>(() => new Date(Math.floor(Date.now() / 60_000) * 60_000));
  const [asked, setAsked] = useState<Asked>();
  const send = (event: SyntheticEvent) => {
    event.preventDefault();
    if (at !== undefined) setAsked({ ...chosen(subject, services), severity, at });
  };
  return (
    <div id="simulation">
      <Panel title="Who would be paged?" aside={<span className="under">nothing is sent</span>}>
        <form className="form simulate" onSubmit={send}>
          <div>
            <label htmlFor={`${id}-of`}>Service or policy</label>
            <select id={`${id}-of`} value={subject} onChange={(event) => onSubject(event.target.value)}>
              <option value="">the platform's own policy</option>
              <optgroup label="Services">
                {services.map((service) => (
                  <option key={service.name} value={`service:${service.name}`}>
                    {service.displayName || service.name}
                  </option>
                ))}
              </optgroup>
              <optgroup label="Policies">
                {policies.map((policy) => (
                  <option key={policy.name} value={`policy:${policy.name}`}>
                    {policy.displayName || policy.name}
                  </option>
                ))}
              </optgroup>
            </select>
          </div>
          <div>
            <label htmlFor={`${id}-severity`}>Severity</label>
            <select id={`${id}-severity`} value={severity} onChange={(event) => setSeverity(Number(event.target.value))}>
              {SEVERITIES.map((each) => (
                <option key={each} value={each}>
                  {SEVERITY_WORDS[each].name}
                </option>
              ))}
            </select>
          </div>
          <WhenField label="It opens at (your clock)" value={at} onChange={setAt} />
          <button type="submit" className="button primary" disabled={at === undefined}>
            <FlaskConical aria-hidden /> Simulate
          </button>
        </form>
        <div aria-live="polite">{asked && <Result asked={asked} />}</div>
      </Panel>
    </div>
  );
}

function chosen(subject: string, services: readonly Service[]): Pick<Asked, "escalationPolicy" | "team" | "service"> {
  const [kind, name = ""] = subject.split(":", 2);
  if (kind === "policy") return { escalationPolicy: name, team: "", service: "" };
  const service = services.find((each) => kind === "service" && each.name === name);
  return { escalationPolicy: service?.escalationPolicy ?? "", team: service?.team ?? "", service: service?.name ?? "" };
}

function Result({ asked }: { asked: Asked | undefined }) {
  const request = asked === undefined ? skipToken : { escalationPolicy: asked.escalationPolicy, team: asked.team, severity: asked.severity, at: timestampFromDate(asked.at) };
  const answer = useQuery(EscalationService.method.simulateEscalation, request);
  const told = (answer.data?.summonses ?? []).slice(0, MOST);
  const previews = usePreviews(told, asked);
  if (asked === undefined) return null;
  if (answer.isPending) return <Loading what="the simulation" />;
  if (!answer.data) return <Failure what="The simulation" error={answer.error} retry={() => void answer.refetch()} />;
  return (
    <>
      <p className="inset">{verdict(answer.data, asked.at)}</p>
      {told.length > 0 && <TimeLine beginning={asked.at} summonses={told} previews={previews} />}
      {told.length > 0 && <Table beginning={asked.at} summonses={told} previews={previews} />}
      {answer.data.summonses.length > MOST && <p className="inset under">And {answer.data.summonses.length - MOST} more, in the same way.</p>}
      {answer.data.remarks.length > 0 && (
        <ul className="problems">
          {answer.data.remarks.slice(0, MOST).map((remark, index) => {
            const at = toDate(remark.at);
            return (
              <li key={index}>
                {at && <span className="under">{afterWords(at.getTime(), asked.at.getTime())}</span>} {remark.text}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

function verdict(answer: SimulateEscalationResponse, beginning: Date): string {
  const people = new Set(answer.summonses.map((summons) => summons.responder || summons.contact)).size;
  const policy = answer.escalationPolicy ? `By the policy ${answer.escalationPolicy}` : "By the platform's own policy";
  const end = toDate(answer.endsAt);
  if (answer.summonses.length === 0) return `${policy} nobody would be asked.`;
  const last = end ? `it is over after ${inWords(end.getTime() - beginning.getTime())}` : "it goes on beyond what is shown";
  return `${policy} ${people === 1 ? "one is" : `${people} are`} asked; if nobody answers, ${last}.`;
}

/** What communication would make of each summons, in the same order; undefined while it is asked, and for contacts. */
function usePreviews(summonses: readonly SimulatedSummons[], asked: Asked | undefined): (PreviewPagesResponse | undefined)[] {
  const transport = useTransport();
  const severity = asked === undefined ? "" : (Severity[asked.severity] ?? "");
  const answers = useQueries({
    queries: summonses.map((summons) => ({
      ...createQueryOptions(
        PagingService.method.previewPages,
        { responder: summons.responder, urgency: pageUrgency(summons.urgency), at: summons.at, severity, service: asked?.service ?? "" },
        { transport },
      ),
      enabled: summons.responder !== "",
      staleTime: 30_000,
    })),
  });
  return answers.map((answer) => answer.data);
}

interface TableProps {
  beginning: Date;
  summonses: readonly SimulatedSummons[];
  previews: readonly (PreviewPagesResponse | undefined)[];
}

function Table({ beginning, summonses, previews }: TableProps) {
  return (
    <div className="scroll">
      <table className="loads simulated">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">Step</th>
            <th scope="col">Over</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {summonses.map((summons, index) => {
            const at = toDate(summons.at);
            return (
              <tr key={index}>
                <td data-label="When">{at && <time dateTime={at.toISOString()} title={absolute(at)}>{`${dayAndTime(at)} · ${afterWords(at.getTime(), beginning.getTime())}`}</time>}</td>
                <th scope="row">{summons.responder || summons.contact}</th>
                <td data-label="Step">
                  {summons.step + 1}
                  {summons.round > 0 && ` · round ${summons.round + 1}`} · {urgencyWord(summons.urgency)}
                </td>
                <td data-label="Over">
                  <Channels summons={summons} preview={previews[index]} />
                </td>
                <td data-label="Why" className="wrap">
                  {summons.explanation || summons.reason}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Channels({ summons, preview }: { summons: SimulatedSummons; preview: PreviewPagesResponse | undefined }) {
  if (summons.responder === "") return <>its own channel</>;
  if (preview === undefined) return <span className="under">…</span>;
  const asked = toDate(summons.at)?.getTime() ?? 0;
  return (
    <>
      {preview.warning && <span className="bad-text">{preview.warning} </span>}
      {!preview.warning && preview.pages.length === 0 && <span className="bad-text">no contact method</span>}
      {preview.pages.map((page, index) => (
        <span key={index} className="channel-line">
          {channelWord(page.channel)}
          {page.responder !== summons.responder && ` to ${page.responder}`}
          {page.warning && <span className="bad-text"> {page.warning}</span>}
          <span className="under"> {page.reason || afterWords(toDate(page.at)?.getTime() ?? asked, asked)}</span>
        </span>
      ))}
    </>
  );
}
