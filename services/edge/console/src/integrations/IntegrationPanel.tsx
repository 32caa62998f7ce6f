import { useMutation } from "@connectrpc/connect-query";
import { Check, Copy, KeyRound, RotateCw, Trash2 } from "lucide-react";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import type { Integration } from "../gen/tocsin/detection/v1/integration_pb";
import { toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { Ago } from "../ui/Time";
import { useOutcome } from "../ui/useOutcome";
import { doorOf } from "./doors";
import { Preview } from "./Preview";
import { KIND_WORDS } from "./words";

const SECRETS = ["none", "one", "two: a rotation is under way"];

/** One integration: what is known of it, its key and secret, and what a sample would become. */
export function IntegrationPanel({ integration }: { integration: Integration }) {
  const [asked, setAsked] = useState<"key" | "secret" | "remove">();
  const refusal = useRefusal(Role.ADMIN);
  const last = toDate(integration.lastReportAt);
  const limit = integration.rateLimit;
  const close = () => setAsked(undefined);
  const button = { type: "button", className: "button", disabled: refusal !== undefined, title: refusal } as const;
  return (
    <div>
      <Panel title={integration.name} aside={<span className="under">{KIND_WORDS[integration.kind]}</span>}>
        <div className="said">
          {integration.description && <p>{integration.description}</p>}
          <dl className="pairs">
            <Fact name="Kind" value={integration.kind} />
            <Fact name="Service" value={integration.service || "as the sender says"} />
            <Fact name="Last report" value={last ? <Ago at={last} /> : "never"} />
            <Fact name="Live secrets" value={SECRETS[Math.min(integration.secrets, 2)]} />
            <Fact name="Signature" value={integration.requiresSignature ? "required" : "verified where there is one"} />
            <Fact name="Rate limit" value={limit ? `${limit.perSecond} signals a second, ${limit.burst} at once` : "the installation's"} />
          </dl>
          <p className="alert-actions">
            <button {...button} onClick={() => setAsked("key")}>
              <RotateCw aria-hidden /> New key
            </button>
            <button {...button} onClick={() => setAsked("secret")}>
              <KeyRound aria-hidden /> {integration.secrets > 0 ? "Rotate secret" : "Set secret"}
            </button>
            {integration.secrets > 0 && (
              <button {...button} onClick={() => setAsked("remove")}>
                <Trash2 aria-hidden /> Remove secrets
              </button>
            )}
          </p>
        </div>
      </Panel>
      <DoorPanel integration={integration} />
      <Preview integration={integration} />
      {asked === "key" && <KeyDialog name={integration.name} onClose={close} />}
      {asked === "secret" && <SecretDialog integration={integration} onClose={close} />}
      {asked === "remove" && <RemoveSecretsDialog integration={integration} onClose={close} />}
    </div>
  );
}

/** What to paste at the sender. The key itself is shown once, when it is made. */
function DoorPanel({ integration }: { integration: Integration }) {
  const door = doorOf(integration, window.location.origin);
  return (
    <Panel title="How senders reach it">
      <div className="said">
        <dl className="pairs">
          <Fact name="Address" value={<code>{door.address}</code>} />
          <Fact name="Key" value={door.key} />
        </dl>
        <p>Try it; the key is shown once, when it is made:</p>
        <pre>
          <code>{door.attempt}</code>
        </pre>
      </div>
    </Panel>
  );
}

function Fact({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Asks before it makes a key, and shows the key once. */
function KeyDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const outcome = useOutcome(`${name} has a new key`, `The key of ${name} is unchanged`, DetectionService);
  const rotate = useMutation(DetectionService.method.rotateIntegrationKey, outcome);
  const id = useId();
  const key = rotate.data?.key;
  if (key === undefined) {
    return (
      <Dialog title={`New key for ${name}`} onClose={onClose}>
        <DialogForm submit="Make a new key" tone="danger" onSubmit={() => rotate.mutate({ name })} onCancel={onClose} busy={rotate.isPending}>
          <p>The old key stops at once: senders that use it are refused until they have the new one.</p>
        </DialogForm>
      </Dialog>
    );
  }
  return (
    <Dialog title={`New key for ${name}`} onClose={onClose}>
      <div className="form">
        <label htmlFor={id}>Keep it now: it is never shown again</label>
        <div className="together">
          <input id={id} data-first readOnly value={key} onFocus={(event) => event.currentTarget.select()} />
          <CopyButton text={key} />
        </div>
        <footer>
          <button type="button" className="button primary" onClick={onClose}>
            I have it
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

function CopyButton({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  // The clipboard is there on HTTPS and on this very machine; elsewhere people copy by hand.
  if (!navigator.clipboard) return null;
  return (
    <button type="button" className="button" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
      {copied ? <Check aria-hidden /> : <Copy aria-hidden />} {copied ? "Copied" : "Copy"}
    </button>
  );
}

interface SecretDialogProps {
  integration: Integration;
  onClose: () => void;
}

function SecretDialog({ integration, onClose }: SecretDialogProps) {
  const { name, secrets } = integration;
  const id = useId();
  const [secret, setSecret] = useState("");
  const outcome = useOutcome(`${name} has a new secret`, `The secret of ${name} is unchanged`, DetectionService);
  const set = useMutation(DetectionService.method.setIntegrationSecret, { ...outcome, onSettled: () => outcome.onSettled().then(onClose) });
  return (
    <Dialog title={`Secret of ${name}`} onClose={onClose}>
      <DialogForm submit="Set it" onSubmit={() => set.mutate({ name, secret })} onCancel={onClose} busy={set.isPending}>
        <label htmlFor={id}>The secret by which its sender signs</label>
        <input id={id} data-first type="password" required maxLength={512} autoComplete="off" value={secret} onChange={(event) => setSecret(event.target.value)} />
        <p className="under">
          {secrets > 0 ? "The newest of today's secrets stays valid beside it, so that the sender can change over. Older ones stop." : "It is kept, and never shown."}
        </p>
      </DialogForm>
    </Dialog>
  );
}

function RemoveSecretsDialog({ integration, onClose }: SecretDialogProps) {
  const { name } = integration;
  const outcome = useOutcome(`${name} has no secret`, `The secrets of ${name} are unchanged`, DetectionService);
  const remove = useMutation(DetectionService.method.setIntegrationSecret, { ...outcome, onSettled: () => outcome.onSettled().then(onClose) });
  return (
    <Dialog title={`Remove the secrets of ${name}`} onClose={onClose}>
      <DialogForm submit="Remove" tone="danger" onSubmit={() => remove.mutate({ name, secret: "" })} onCancel={onClose} busy={remove.isPending}>
        <p>What its sender signs is no longer verified.{integration.requiresSignature && " It requires signatures, so every report is refused until it has a secret again."}</p>
      </DialogForm>
    </Dialog>
  );
}
