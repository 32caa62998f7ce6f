import { useMutation, useQuery } from "@connectrpc/connect-query";
import { BellOff, Play } from "lucide-react";
import { useRefusal } from "../account/caller";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import { PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import { toDate } from "../platform/time";
import { Ago } from "../ui/Time";
import { usePagingOutcome } from "./outcome";

const AGAIN = 30_000;

/** Says on every page of the console that nobody is paged, while somebody has stopped all paging. */
export default function PagingBanner() {
  const status = useQuery(PagingService.method.getPagingStatus, {}, { refetchInterval: AGAIN }).data?.status;
  const refusal = useRefusal(Role.ADMIN);
  const resume = useMutation(PagingService.method.resumePaging, usePagingOutcome("Pages go out again", "Pages are still held back"));
  if (!status?.stopped) return null;
  const since = toDate(status.stoppedAt);
  return (
    <div className="banner" role="alert">
      <BellOff aria-hidden />
      <p>
        <strong>Nobody is paged: {status.stoppedBy || "somebody"} stopped all paging</strong>
        {since && (
          <>
            {" "}
            <Ago at={since} />
          </>
        )}
        . {status.reason} {status.waiting > 0 && `${status.waiting} ${status.waiting === 1 ? "page waits" : "pages wait"}.`}
      </p>
      <button type="button" className="button" disabled={refusal !== undefined || resume.isPending} title={refusal} onClick={() => resume.mutate({})}>
        <Play aria-hidden /> Let pages go
      </button>
    </div>
  );
}
