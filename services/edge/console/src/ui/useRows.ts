/** Rows that keys move between: each is marked with data-id, and holds one element with data-row that takes the focus. */

import { useRef } from "react";

export interface Rows {
  /** Focus the next (1) or the previous (-1) row. */
  move: (by: 1 | -1) => void;
  /** The id of the row that holds the focus. */
  focused: () => string | undefined;
}

export function useRows(): Rows {
  const last = useRef(-1);
  const move = (by: 1 | -1) => {
    const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
    const current = rows.findIndex((row) => row.closest("[data-id]")?.contains(document.activeElement));
    const from = current >= 0 ? current : by > 0 ? Math.min(last.current, rows.length) - 1 : last.current;
    const to = Math.max(0, Math.min(rows.length - 1, (current >= 0 || last.current >= 0 ? from : -1) + by));
    last.current = to;
    rows[to]?.focus();
    rows[to]?.scrollIntoView({ block: "nearest" });
  };
  return { move, focused: () => document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset["id"] };
}
