import { Code } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { SearchX } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { Route, Switch } from "wouter";
import { CallerContext } from "./account/caller";
import { SignedOut, SignInPage } from "./account/SignInPage";
import { EdgeService, type GetCallerResponse } from "./gen/tocsin/edge/v1/edge_service_pb";
import { useActiveIncidents } from "./incidents/active";
import { NowPage } from "./incidents/NowPage";
import type { LiveStore } from "./live/store";
import { hasCode, isTransient } from "./platform/errors";
import { Shell } from "./shell";
import { Empty, Failure, Loading } from "./ui/States";

// A page that was opened while Tocsin starts finds it by itself.
const RETRY = 3_000;

const IncidentPage = lazy(() => import("./incidents/IncidentPage").then((all) => ({ default: all.IncidentPage })));
const AlertsPage = lazy(() => import("./alerts/AlertsPage"));
const ContainmentPage = lazy(() => import("./containment/ContainmentPage"));
const PlaybooksPage = lazy(() => import("./playbooks/PlaybooksPage"));
const ReadinessPage = lazy(() => import("./command/ReadinessPage"));
const RunPage = lazy(() => import("./playbooks/RunPage"));
const AlertPage = lazy(() => import("./alerts/AlertPage"));
const EscalationPage = lazy(() => import("./escalation/EscalationPage"));
const HeartbeatsPage = lazy(() => import("./heartbeats/HeartbeatsPage"));
const IntegrationsPage = lazy(() => import("./integrations/IntegrationsPage"));
const SilencesPage = lazy(() => import("./noise/SilencesPage"));
const OncallPage = lazy(() => import("./oncall/OncallPage"));
const PagesPage = lazy(() => import("./pages/PagesPage"));
const SchedulePage = lazy(() => import("./oncall/SchedulePage"));

export function App({ live }: { live: LiveStore }) {
  return (
    <Switch>
      <Route path="/sign-in">
        <SignInPage />
      </Route>
      <Route>
        <Gate live={live} />
      </Route>
    </Switch>
  );
}

/** Lets signed-in people through. */
function Gate({ live }: { live: LiveStore }) {
  const caller = useQuery(
    EdgeService.method.getCaller,
    {},
    { refetchInterval: (query) => (query.state.data === undefined && isTransient(query.state.error) ? RETRY : false) },
  );
  if (hasCode(caller.error, Code.Unauthenticated)) return <SignedOut />;
  if (caller.data) return <SignedIn live={live} answer={caller.data} />;
  return (
    <main className="card-page">
      {caller.isError ? <Failure what="Tocsin" error={caller.error} retry={() => void caller.refetch()} /> : <Loading what="Tocsin" />}
    </main>
  );
}

function SignedIn({ live, answer }: { live: LiveStore; answer: GetCallerResponse }) {
  useEffect(() => live.start(), [live]);
  const active = useActiveIncidents();
  const caller = answer.caller;
  if (caller === undefined) return <SignedOut />;
  return (
    <CallerContext value={caller}>
      <Shell live={live} active={active} version={answer.version}>
        <Suspense
          fallback={
            <main id="main">
              <Loading what="the page" />
            </main>
          }
        >
          <Switch>
            <Route path="/">
              <NowPage active={active} />
            </Route>
            <Route path="/incidents">
              <NowPage active={active} />
            </Route>
            <Route path="/incidents/:reference">{({ reference }) => <IncidentPage key={reference} reference={reference} />}</Route>
            <Route path="/alerts">
              <AlertsPage />
            </Route>
            <Route path="/alerts/:id">{({ id }) => <AlertPage key={id} id={id} />}</Route>
            <Route path="/silences">
              <SilencesPage />
            </Route>
            <Route path="/heartbeats">
              <HeartbeatsPage />
            </Route>
            <Route path="/integrations/:name?">{({ name }) => <IntegrationsPage name={name} />}</Route>
            <Route path="/escalation">
              <EscalationPage />
            </Route>
            <Route path="/playbooks">
              <PlaybooksPage />
            </Route>
            <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
            <Route path="/readiness">
              <ReadinessPage />
            </Route>
            <Route path="/containment">
              <ContainmentPage />
            </Route>
            <Route path="/pages">
              <PagesPage />
            </Route>
            <Route path="/oncall">
              <OncallPage />
            </Route>
            <Route path="/oncall/:name">{({ name }) => <SchedulePage key={name} name={name} />}</Route>
            <Route>
              <main id="main">
                <Empty icon={SearchX} title="There is no such page" />
              </main>
            </Route>
          </Switch>
        </Suspense>
      </Shell>
    </CallerContext>
  );
}
