import { useId } from "react";
import { FOR_HOW_LONG } from "./lengths";

interface LengthFieldProps {
  label: string;
  value: string;
  onChange: (length: string) => void;
  /** What the empty choice says, where there is one. */
  none?: string;
  first?: boolean;
}

/** A few usual lengths of time. */
export function LengthField({ label, value, onChange, none, first = false }: LengthFieldProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <select id={id} data-first={first || undefined} value={value} onChange={(event) => onChange(event.target.value)}>
        {none !== undefined && <option value="">{none}</option>}
        {FOR_HOW_LONG.map(([length, words]) => (
          <option key={length} value={length}>
            {words}
          </option>
        ))}
      </select>
    </>
  );
}
