import { useQuery } from "@connectrpc/connect-query";
import { keepPreviousData, skipToken } from "@tanstack/react-query";
import { CircleAlert, CircleHelp, Crosshair } from "lucide-react";
import { splitMatchers } from "../alerts/matchers";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { explain } from "../platform/errors";
import { useSettled } from "../ui/useSettled";

/** How many open alerts the matchers would match now, counted while they are typed. */
export function Matches({ text }: { text: string }) {
  const settled = splitMatchers(useSettled(text));
  const answer = useQuery(NoiseService.method.countMatches, settled.length > 0 ? { matchers: settled } : skipToken, { placeholderData: keepPreviousData, retry: false });
  return (
    <div className="matches" aria-live="polite">
      {settled.length === 0 ? (
        <p className="callout quiet">
          <CircleHelp aria-hidden /> Without a matcher nothing is held back.
        </p>
      ) : answer.isError ? (
        <p className="callout bad">
          <CircleAlert aria-hidden /> {explain(answer.error)}
        </p>
      ) : (
        answer.data && (
          <>
            <p className={`callout ${answer.data.matches === 0 ? "warn" : "info"}`}>
              <Crosshair aria-hidden /> {inWords(answer.data.matches)}
            </p>
            <ul className="newest">
              {answer.data.newest.slice(0, 5).map((alert) => (
                <li key={alert.id}>{alert.title}</li>
              ))}
            </ul>
          </>
        )
      )}
    </div>
  );
}

function inWords(matches: number): string {
  if (matches === 0) return "No open alert matches now; later ones may.";
  return matches === 1 ? "One open alert matches now:" : `${matches} open alerts match now:`;
}
