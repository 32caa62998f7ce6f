import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { readings } from "../platform/localTime";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { DutyLine } from "./OncallPanel";

/** Why these people, layer by layer, now or at any instant; who comes next and who was before. */
export function WhyPanel({ schedule }: { schedule: string }) {
  const id = useId();
  const [text, setText] = useState("");
  const at = text === "" ? undefined : readings(text)[0];
  const answer = useQuery(OncallService.method.explainOncall, { schedule, at: at && timestampFromDate(at) });
  return (
    <Panel title="Why is it me?">
      <div className="inset">
        <label htmlFor={id}>At (empty: now)</label>
        <input id={id} type="datetime-local" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      {answer.isPending && <Loading what="the reasons" />}
      {answer.isError && !answer.data && <Failure what="The reasons" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && (
        <>
          <ul className="duties">
            {answer.data.duties.map((duty) => (
              <DutyLine key={`${duty.responder} ${duty.displayName}`} duty={duty} detail="reason" />
            ))}
          </ul>
          <ol className="reasons">
            {answer.data.lines.map((line, index) => (
              <li key={index}>{line}</li>
            ))}
          </ol>
          <p className="inset under">
            Next: {names(answer.data.next)} · Before: {names(answer.data.previous)}
          </p>
        </>
      )}
    </Panel>
  );
}

function names(duties: readonly { responder: string; displayName: string }[]): string {
  return duties.map((duty) => duty.displayName || duty.responder).filter(Boolean).join(", ") || "nobody";
}
