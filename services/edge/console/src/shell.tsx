/** The frame around every page: navigation, the live stream's state, shortcuts and announcements. */

import { useMutation } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { BellRing, CircleHelp, LogOut, type LucideIcon, Monitor, Moon, Plus, Radio, RotateCw, Sun, WifiOff } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { useCaller, useRefusal } from "./account/caller";
import { EdgeService } from "./gen/tocsin/edge/v1/edge_service_pb";
import type { ActiveIncidents } from "./incidents/active";
import { DeclareDialog } from "./incidents/dialogs";
import { type LiveStore, useLive } from "./live/store";
import { useShortcuts } from "./platform/keys";
import { useNow } from "./platform/now";
import { roleName } from "./platform/roles";
import { clockFace } from "./platform/time";
import { Dialog } from "./ui/Dialog";
import { useNotices } from "./ui/Notices";
import { At } from "./ui/Time";
import { type Theme, useTheme } from "./ui/theme";

const PagingBanner = lazy(() => import("./pages/PagingBanner"));

const BANNER_AFTER = 10_000;

interface ShellProps {
  live: LiveStore;
  active: ActiveIncidents;
  version: string;
  children: ReactNode;
}

export function Shell({ live, active, version, children }: ShellProps) {
  const [location, navigate] = useLocation();
  const [dialog, setDialog] = useState<"declare" | "help">();
  const list = useListAddress();
  const refusal = useRefusal();
  const declare = () => refusal === undefined && setDialog("declare");
  useShortcuts({
    c: declare,
    "?": () => setDialog("help"),
    "g i": () => navigate("/"),
    "g a": () => navigate("/alerts"),
    "g s": () => navigate("/silences"),
    "g h": () => navigate("/heartbeats"),
    "g n": () => navigate("/integrations"),
    "g o": () => navigate("/oncall"),
    "g e": () => navigate("/escalation"),
    "g p": () => navigate("/pages"),
    "g b": () => navigate("/playbooks"),
    "g c": () => navigate("/containment"),
    "g r": () => navigate("/readiness"),
    Escape: () => location !== "/" && navigate(location.startsWith("/alerts/") ? "/alerts" : list.current),
  });
  useEffect(() => {
    if (location === "/") document.title = active.open ? `(${active.open}) Tocsin` : "Tocsin";
  }, [location, active.open]);
  const close = () => setDialog(undefined);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <Link href="/" className="brand" aria-label="Tocsin, incidents now">
          <BellRing aria-hidden /> Tocsin
        </Link>
        <nav aria-label="Pages">
          <NavLink href="/" current={location === "/" || location.startsWith("/incidents")} label="Now" count={active.open} />
          <NavLink href="/alerts" current={location.startsWith("/alerts")} label="Alerts" />
          <NavLink href="/silences" current={location === "/silences"} label="Silences" />
          <NavLink href="/heartbeats" current={location === "/heartbeats"} label="Heartbeats" />
          <NavLink href="/integrations" current={location.startsWith("/integrations")} label="Integrations" />
          <NavLink href="/oncall" current={location.startsWith("/oncall")} label="On call" />
          <NavLink href="/escalation" current={location === "/escalation"} label="Escalation" />
          <NavLink href="/playbooks" current={location === "/playbooks" || location.startsWith("/runs")} label="Playbooks" />
          <NavLink href="/containment" current={location === "/containment"} label="Containment" />
          <NavLink href="/readiness" current={location === "/readiness"} label="Readiness" />
          <NavLink href="/pages" current={location === "/pages"} label="Pages" />
        </nav>
        <button type="button" className="button danger" disabled={refusal !== undefined} title={refusal} aria-keyshortcuts="c" onClick={declare}>
          <Plus aria-hidden /> <span className="label">Declare incident</span> <kbd aria-hidden>c</kbd>
        </button>
        <LiveSign live={live} />
        <button type="button" className="button ghost icon" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setDialog("help")}>
          <CircleHelp aria-hidden />
        </button>
        <ThemeButton />
        <Account />
      </header>
      <LostBanner live={live} />
      <Suspense>
        <PagingBanner />
      </Suspense>
      {children}
      <footer className="bottom">Tocsin {version}</footer>
      <div className="visually-hidden" aria-live="polite">
        {active.news}
      </div>
      {dialog === "declare" && <DeclareDialog onClose={close} />}
      {dialog === "help" && <Help onClose={close} />}
    </>
  );
}

/** The address of the list with the filters that were last used there, for the way back. */
function useListAddress() {
  const [location] = useLocation();
  const search = useSearch();
  const address = useRef("/");
  useEffect(() => {
    if (location === "/") address.current = search ? `/?${search}` : "/";
  }, [location, search]);
  return address;
}

function NavLink({ href, current, label, count }: { href: string; current: boolean; label: string; count?: number }) {
  return (
    <Link href={href} aria-current={current ? "page" : undefined}>
      {label}
      {Boolean(count) && <span className="count bad" title="open, nobody has taken them">{count}</span>}
    </Link>
  );
}

function LiveSign({ live: store }: { live: LiveStore }) {
  const live = useLive(store);
  if (live.phase === "live") {
    return (
      <span className="live good" title="This page changes by itself">
        <Radio aria-hidden /> <span className="label">Live</span>
      </span>
    );
  }
  return (
    <span className="live warn" title={live.why || "Waiting for the live stream"}>
      <WifiOff aria-hidden /> <span className="label">{live.phase === "connecting" ? "Connecting" : "Not live"}</span>
    </span>
  );
}

/** Says since when the page may be old, once that is worth saying. */
function LostBanner({ live: store }: { live: LiveStore }) {
  const live = useLive(store);
  const now = useNow();
  const down = live.phase === "lost" || live.phase === "connecting";
  if (!down || now - live.since < BANNER_AFTER) return null;
  return (
    <div className="banner" role="alert">
      <WifiOff aria-hidden />
      <p>
        <strong>
          Live updates lost since <At at={new Date(live.since)} />
        </strong>{" "}
        (<span aria-hidden>{clockFace(now - live.since)}</span>). What you see may be old. {live.why}
      </p>
      <button type="button" className="button" onClick={store.retry}>
        <RotateCw aria-hidden /> Try now
      </button>
    </div>
  );
}

const THEMES: Record<Theme, [LucideIcon, string]> = { system: [Monitor, "as the system"], dark: [Moon, "dark"], light: [Sun, "light"] };

function ThemeButton() {
  const [theme, change] = useTheme();
  const [Icon, name] = THEMES[theme];
  return (
    <button type="button" className="button ghost icon" aria-label={`Colours: ${name}. Change`} title={`Colours: ${name}`} onClick={change}>
      <Icon aria-hidden />
    </button>
  );
}

function Account() {
  const { name, role } = useCaller();
  const queries = useQueryClient();
  const notices = useNotices();
  const signOut = useMutation(EdgeService.method.signOut, {
    onSuccess: () => queries.resetQueries(),
    onError: (error) => notices.failed("You are still signed in", error),
  });
  return (
    <span className="account">
      <span className="who">
        <strong>{name}</strong>
        <span className="under">{roleName(role)}</span>
      </span>
      <button type="button" className="button ghost icon" aria-label="Sign out" title="Sign out" disabled={signOut.isPending} onClick={() => signOut.mutate({})}>
        <LogOut aria-hidden />
      </button>
    </span>
  );
}

const SHORTCUTS: [string, [string[], string][]][] = [
  ["Anywhere", [[["c"], "Declare an incident"], [["g", "i"], "Incidents now"], [["g", "a"], "Alerts"], [["g", "s"], "Silences and windows"], [["g", "h"], "Heartbeats"], [["g", "n"], "Integrations"], [["g", "o"], "On call"], [["g", "e"], "Escalation"], [["g", "p"], "Pages and contact methods"], [["g", "b"], "Playbooks"], [["g", "c"], "Containment"], [["g", "r"], "Readiness"], [["Esc"], "Close, or back to incidents"], [["?"], "This list"]]],
  ["In a list", [[["j"], "Next row"], [["k"], "Previous row"], [["Enter"], "Open it"], [["a"], "Acknowledge it"], [["r"], "Resolve or end it"]]],
  ["On an incident", [[["a"], "Acknowledge, or take over"], [["r"], "Resolve"], [["s"], "Change the severity"]]],
  ["On an alert", [[["a"], "Take it"], [["s"], "Snooze it"], [["x"], "Silence what is like it"], [["r"], "End it by hand"]]],
  ["Elsewhere", [[["n"], "New silence or heartbeat"], [["w"], "New maintenance window"]]],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} wide>
      <div className="shortcuts">
        {SHORTCUTS.map(([where, keys]) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>
              {keys.map(([strokes, what]) => (
                <div key={what}>
                  <dt>
                    {strokes.map((stroke) => (
                      <kbd key={stroke}>{stroke}</kbd>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
