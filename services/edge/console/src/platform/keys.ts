/** Keyboard shortcuts: single keys ("a"), keys by name ("Escape"), and sequences ("g i"). */

import { useEffect, useRef } from "react";

export type Shortcuts = Record<string, () => void>;

export interface Stroke {
  key: string;
  at: number;
}

const SEQUENCE_LIMIT = 1000;

/**
 * The action for a key press, and what to remember of it for the next one.
 * A prefix counts for one second; a key that both ends a sequence and stands alone ends the sequence.
 */
export function press(shortcuts: Shortcuts, before: Stroke | undefined, stroke: Stroke): { action?: () => void; remember?: Stroke } {
  if (before !== undefined && stroke.at - before.at <= SEQUENCE_LIMIT) {
    const sequence = shortcuts[`${before.key} ${stroke.key}`];
    if (sequence) return { action: sequence };
  }
  const startsSequence = Object.keys(shortcuts).some((name) => name.startsWith(`${stroke.key} `));
  if (startsSequence) return { remember: stroke };
  const action = shortcuts[stroke.key];
  return action ? { action } : {};
}

/** Keys typed into a field, with a modifier, or while a dialog is open are not shortcuts. */
export function isShortcut(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("input, textarea, select, [contenteditable='true']")) return false;
  return document.querySelector("dialog[open]") === null;
}

/** Listen while the component is mounted. The newest shortcuts are used. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const newest = useRef(shortcuts);
  useEffect(() => {
    newest.current = shortcuts;
  });
  useEffect(() => {
    let before: Stroke | undefined;
    const listen = (event: KeyboardEvent) => {
      if (!isShortcut(event)) return;
      const { action, remember } = press(newest.current, before, { key: event.key, at: event.timeStamp });
      before = remember;
      if (action) {
        event.preventDefault();
        action();
      }
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
