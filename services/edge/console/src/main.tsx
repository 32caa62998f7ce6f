import "@fontsource-variable/inter";
import "./styles/tokens.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { Code } from "@connectrpc/connect";
import { TransportProvider } from "@connectrpc/connect-query";
import { createConnectTransport } from "@connectrpc/connect-web";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { LiveStore, topicOfKey } from "./live/store";
import { hasCode, isTransient } from "./platform/errors";
import { NoticesProvider } from "./ui/Notices";
import { applyTheme } from "./ui/theme";

const ASK_AGAIN = 10_000;
const CALLER = "EdgeService/GetCaller";

function start(root: HTMLElement): void {
  applyTheme();
  const transport = createConnectTransport({ baseUrl: window.location.origin, defaultTimeoutMs: 10_000 });
  const queries: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      // A session that ends shows in whichever call comes next; the gate in App then asks who is signed in.
      onError: (error, query) => {
        if (hasCode(error, Code.Unauthenticated) && topicOfKey(query.queryKey) !== CALLER) {
          void queries.resetQueries({ predicate: (other) => topicOfKey(other.queryKey) === CALLER });
        }
      },
    }),
    defaultOptions: {
      // The stream says when an answer is stale. The server may be on this very machine, so "offline" means nothing.
      queries: {
        staleTime: 60_000,
        networkMode: "always",
        retry: (failures, error) => failures < 2 && isTransient(error),
        // A service that comes back says nothing: ask until it answers.
        refetchInterval: (query) => (query.state.status === "error" && isTransient(query.state.error) ? ASK_AGAIN : false),
      },
      mutations: { networkMode: "always" },
    },
  });
  const live = new LiveStore(transport, queries);
  createRoot(root).render(
    <StrictMode>
      <TransportProvider transport={transport}>
        <QueryClientProvider client={queries}>
          <NoticesProvider>
            <App live={live} />
          </NoticesProvider>
        </QueryClientProvider>
      </TransportProvider>
    </StrictMode>,
  );
}

const root = document.getElementById("root");
if (root) start(root);
