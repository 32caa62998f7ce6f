import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { ContactMethod_Kind } from "../gen/tocsin/communication/v1/page_pb";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { usePagingOutcome } from "./outcome";
import { channelWord } from "./words";

const KINDS: [ContactMethod_Kind, string][] = [
  [ContactMethod_Kind.EMAIL, "you@example.org"],
  [ContactMethod_Kind.SMS, "+15551234567"],
  [ContactMethod_Kind.VOICE, "+15551234567"],
  [ContactMethod_Kind.SLACK, "U012AB3CD"],
  [ContactMethod_Kind.TELEGRAM, "123456789"],
  [ContactMethod_Kind.NTFY, "https://ntfy.sh/your-topic"],
  [ContactMethod_Kind.TEAMS, "a conversation, or the URL of a workflow"],
  [ContactMethod_Kind.MATTERMOST, "the id of a user, or the URL of a webhook"],
  [ContactMethod_Kind.DISCORD, "the id of a channel, or the URL of a webhook"],
  [ContactMethod_Kind.WEBHOOK, "https://example.org/hook"],
];

/** One more way to reach somebody, added by hand. */
export function AddContactDialog({ person, onClose }: { person: string; onClose: () => void }) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const [kind, setKind] = useState(ContactMethod_Kind.EMAIL);
  const [address, setAddress] = useState("");
  const add = useMutation(ContactService.method.addContactMethod, usePagingOutcome("It is used from now on; confirm it, so that it counts as proven", "No contact method was added", onClose));
  const example = KINDS.find(([each]) => each === kind)?.[1];
  return (
    <Dialog title={`Another way to reach ${person}`} onClose={onClose}>
      <DialogForm submit="Add" busy={add.isPending} onCancel={onClose} onSubmit={() => add.mutate({ requestId, responder: person, kind, address: address.trim() })}>
        <label htmlFor={`${id}-kind`}>Channel</label>
        <select id={`${id}-kind`} value={kind} onChange={(event) => setKind(Number(event.target.value))}>
          {KINDS.map(([each]) => (
            <option key={each} value={each}>
              {channelWord(each)}
            </option>
          ))}
        </select>
        <label htmlFor={`${id}-address`}>Address</label>
        <input id={`${id}-address`} data-first required maxLength={2000} placeholder={example} value={address} onChange={(event) => setAddress(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
