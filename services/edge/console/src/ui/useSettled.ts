import { useEffect, useState } from "react";

const PAUSE = 350;

/** The text once it has not changed for a moment: what is typed is asked about when the typing pauses. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
