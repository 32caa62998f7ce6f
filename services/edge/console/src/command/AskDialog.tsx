/** A dialog that asks for one text, and sends it with a request id that a repeat keeps. */

import { type ReactNode, useId, useState } from "react";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";

interface AskDialogProps {
  title: string;
  submit: string;
  question: string;
  required?: boolean;
  placeholder?: string;
  tone?: "primary" | "danger" | "good";
  onSend: (text: string, requestId: string) => void;
  onClose: () => void;
  children?: ReactNode;
}

export function AskDialog({ title, submit, question, required = false, placeholder, tone = "primary", onSend, onClose, children }: AskDialogProps) {
  const [text, setText] = useState("");
  const [requestId] = useState(newRequestId);
  const field = useId();
  const send = () => {
    onSend(text.trim(), requestId);
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <DialogForm submit={submit} tone={tone} onSubmit={send} onCancel={onClose} busy={false}>
        {children}
        <label htmlFor={field}>{question}</label>
        <textarea id={field} data-first rows={3} required={required} maxLength={4000} placeholder={placeholder} value={text} onChange={(event) => setText(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
