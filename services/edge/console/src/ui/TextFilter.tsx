import { useEffect, useId, useState } from "react";

interface TextFilterProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  /** Wide enough for an expression. */
  wide?: boolean;
  /** What is wrong with the value; empty if nothing is. */
  problem?: string;
}

const PAUSE = 350;

/** A filter that is typed. It acts when the typing pauses, or on Enter. */
export function TextFilter({ label, value, onChange, placeholder, wide = false, problem = "" }: TextFilterProps) {
  const id = useId();
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  useEffect(() => {
    if (draft === value) return;
    const timer = setTimeout(() => onChange(draft), PAUSE);
    return () => clearTimeout(timer);
  });
  return (
    <div className={wide ? "filter-field wide" : "filter-field"}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="search"
        spellCheck={false}
        autoComplete="off"
        value={draft}
        placeholder={placeholder}
        aria-invalid={problem !== ""}
        aria-describedby={problem ? `${id}-problem` : undefined}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && onChange(draft)}
      />
      {problem && (
        <span id={`${id}-problem`} className="problem" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
}
