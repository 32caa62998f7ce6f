import { EdgeService } from "../gen/tocsin/edge/v1/edge_service_pb";
import { useMutation } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { BellRing, CircleAlert, KeyRound } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useLocation } from "wouter";
import { explain } from "../platform/errors";

/** The page that a one-time link opens. It asks for a click, so that programs that follow links do not use the link up. */
export function SignInPage() {
  const [token] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  useEffect(() => {
    document.title = "Sign in · Tocsin";
    // The secret has no business in the history or on a shared screen.
    window.history.replaceState(null, "", window.location.pathname);
  }, []);
  const signIn = useMutation(EdgeService.method.signIn, {
    onSuccess: () => {
      queries.clear();
      navigate("/", { replace: true });
    },
  });
  if (token === "") return <SignedOut />;
  return (
    <Card title="Sign in to Tocsin">
      {signIn.isError ? (
        <>
          <p className="callout bad" role="alert">
            <CircleAlert aria-hidden /> {explain(signIn.error)}
          </p>
          <HowToGetALink />
        </>
      ) : (
        <p>Your link is good for one sign-in, in this browser.</p>
      )}
      <button type="button" className="button primary big" autoFocus disabled={signIn.isPending} onClick={() => signIn.mutate({ token })}>
        <KeyRound aria-hidden /> {signIn.isPending ? "Signing in…" : signIn.isError ? "Try again" : "Sign in"}
      </button>
    </Card>
  );
}

/** What somebody sees who is not signed in. */
export function SignedOut() {
  return (
    <Card title="You are not signed in">
      <p>Tocsin has no passwords. You sign in with a link that works once.</p>
      <HowToGetALink />
    </Card>
  );
}

function HowToGetALink() {
  return (
    <dl className="ways">
      <dt>You run Tocsin on this machine</dt>
      <dd>
        <code>tocsin up</code> prints a link at each start.
      </dd>
      <dt>Somebody else runs it</dt>
      <dd>
        Ask an administrator, who runs <code>tocsin sign-in-link YOUR-NAME</code> and sends you what it prints.
      </dd>
    </dl>
  );
}

function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="card-page">
      <section className="card">
        <p className="brand big">
          <BellRing aria-hidden /> Tocsin
        </p>
        <h1>{title}</h1>
        {children}
      </section>
    </main>
  );
}
