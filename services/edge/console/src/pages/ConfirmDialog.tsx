import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { receivePagesHere } from "../account/push";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { type ContactMethod, ContactMethod_Kind } from "../gen/tocsin/communication/v1/page_pb";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { useNotices } from "../ui/Notices";
import { usePagingOutcome } from "./outcome";
import { channelWord } from "./words";

interface ConfirmProps {
  method: ContactMethod;
  onClose: () => void;
}

/** First a code is sent, then it is taken: for a browser by the browser itself, for Telegram by its bot. */
export function ConfirmDialog({ method, onClose }: ConfirmProps) {
  const [requestId] = useState(newRequestId);
  const start = useMutation(ContactService.method.startConfirmation, usePagingOutcome("A code is on its way", "No code was sent"));
  if (start.data !== undefined) return <CodeDialog method={method} onClose={onClose} />;
  return (
    <Dialog title={`Confirm ${method.name}`} onClose={onClose}>
      <DialogForm submit="Send a code" busy={start.isPending} onCancel={onClose} onSubmit={() => start.mutate({ requestId, contactMethod: method.name })}>
        <p>A message with a code goes out over this {channelWord(method.kind)}. Answering it confirms the contact method, and so does the code. It is good for an hour.</p>
        {method.kind === ContactMethod_Kind.WEB_PUSH && <p className="under">A browser that is not registered yet cannot get it: its page in the message log has the code.</p>}
      </DialogForm>
    </Dialog>
  );
}

function CodeDialog({ method, onClose }: ConfirmProps) {
  const id = useId();
  const [code, setCode] = useState("");
  const notices = useNotices();
  const outcome = usePagingOutcome(`${method.name} is confirmed`, "It is not confirmed", onClose);
  const confirm = useMutation(ContactService.method.confirmContactMethod, outcome);
  const [registering, setRegistering] = useState(false);
  const browser = method.kind === ContactMethod_Kind.WEB_PUSH;
  const shown = `${method.name}_${code.trim()}`;
  const register = async () => {
    setRegistering(true);
    try {
      const answer = await receivePagesHere(shown);
      if (!answer.done) throw new Error(answer.text);
      notices.done(answer.text);
      onClose();
    } catch (error) {
      notices.failed("This browser gets no pages", error);
    } finally {
      setRegistering(false);
      void outcome.onSettled();
    }
  };
  const send = () => (browser ? void register() : confirm.mutate({ contactMethod: method.name, code: code.trim() }));
  return (
    <Dialog title={`Confirm ${method.name}`} onClose={onClose}>
      <DialogForm submit={browser ? "Receive pages in this browser" : "Confirm"} busy={confirm.isPending || registering} onCancel={onClose} onSubmit={send}>
        <label htmlFor={id}>The code of the message</label>
        <input id={id} data-first required inputMode="numeric" autoComplete="one-time-code" maxLength={20} value={code} onChange={(event) => setCode(event.target.value)} />
        {method.kind === ContactMethod_Kind.TELEGRAM && (
          <p className="under">
            A bot cannot begin. If no message came, write to it: <code>/start {code ? shown : `${method.name}_CODE`}</code>
          </p>
        )}
      </DialogForm>
    </Dialog>
  );
}
