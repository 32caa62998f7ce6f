import { useMutation, useQuery } from "@connectrpc/connect-query";
import { CalendarPlus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useRefusal } from "../account/caller";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { Panel } from "../ui/Panel";
import { useDutyOutcome } from "./outcome";

/** Secret links for calendar programs. A link is said once. */
export function FeedPanel({ schedule }: { schedule: string }) {
  const refusal = useRefusal();
  const [link, setLink] = useState("");
  const feeds = (useQuery(OncallService.method.listCalendarFeeds, {}, { enabled: refusal === undefined }).data?.feeds ?? []).filter((feed) => feed.schedule === schedule);
  const outcome = useDutyOutcome("The link is made; it is shown once", "No link was made");
  const make = useMutation(OncallService.method.createCalendarFeed, {
    ...outcome,
    onSuccess: (answer) => {
      setLink(`${location.origin}${answer.path}`);
      outcome.onSuccess();
    },
  });
  const end = useMutation(OncallService.method.deleteCalendarFeed, useDutyOutcome("The link has ended", "The link still works"));
  return (
    <Panel
      title="Calendar"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined || make.isPending} title={refusal} onClick={() => make.mutate({ schedule })}>
          <CalendarPlus aria-hidden /> Make a link
        </button>
      }
    >
      <div className="inset">
        {link && (
          <p>
            Whoever knows this link may read the duties: <code className="break">{link}</code>
          </p>
        )}
        {!link && feeds.length === 0 && <p className="under">A link shows the duties in any calendar program.</p>}
        {feeds.map((feed) => (
          <p key={feed.id} className="line">
            <span className="under">made by {feed.createdBy}</span>
            <button type="button" className="button small icon" aria-label="End this link" disabled={refusal !== undefined} onClick={() => end.mutate({ feedId: feed.id })}>
              <Trash2 aria-hidden />
            </button>
          </p>
        ))}
      </div>
    </Panel>
  );
}
