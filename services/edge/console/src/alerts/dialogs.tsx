/** The dialogs that act on one alert. */

import { useState } from "react";
import type { Alert } from "../gen/tocsin/detection/v1/alert_pb";
import { useNow } from "../platform/now";
import { dayAndTime } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { SilenceDialog } from "../noise/SilenceDialog";
import { useAlertActions } from "./actions";
import { LengthField } from "./LengthField";
import { lengthOf } from "./lengths";

interface AlertDialogProps {
  alert: Alert;
  onClose: () => void;
}

export function SnoozeDialog({ alert, onClose }: AlertDialogProps) {
  const { snooze } = useAlertActions();
  const now = useNow();
  const [length, setLength] = useState("1h");
  const until = now + lengthOf(length);
  const send = () => {
    snooze(alert, until);
    onClose();
  };
  return (
    <Dialog title="Snooze this alert" onClose={onClose}>
      <DialogForm submit="Snooze" onSubmit={send} onCancel={onClose} busy={false}>
        <p className="subject">{alert.title}</p>
        <LengthField label="For how long?" value={length} onChange={setLength} first />
        <p className="under">It wakes nobody before {dayAndTime(new Date(until))}. If it still fires then, it does.</p>
      </DialogForm>
    </Dialog>
  );
}

export function EndDialog({ alert, onClose }: AlertDialogProps) {
  const { resolve } = useAlertActions();
  const send = () => {
    resolve(alert);
    onClose();
  };
  return (
    <Dialog title="End this alert by hand" onClose={onClose}>
      <DialogForm submit="End it" tone="good" onSubmit={send} onCancel={onClose} busy={false}>
        <p className="subject">{alert.title}</p>
        <p>Nothing opens it again. If its sender reports it once more, that is a new alert, and it may wake somebody.</p>
      </DialogForm>
    </Dialog>
  );
}

/** What is asked about which alert. */
export interface Asked {
  what: "snooze" | "silence" | "end";
  alert: Alert;
}

/** The dialog for what is asked, if anything is. */
export function AlertDialogs({ asked, onClose }: { asked: Asked | undefined; onClose: () => void }) {
  switch (asked?.what) {
    case "snooze":
      return <SnoozeDialog alert={asked.alert} onClose={onClose} />;
    case "silence":
      return <SilenceDialog alert={asked.alert} onClose={onClose} />;
    case "end":
      return <EndDialog alert={asked.alert} onClose={onClose} />;
    default:
      return null;
  }
}
