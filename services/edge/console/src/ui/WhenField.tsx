import { useId, useState } from "react";
import { reading, readings, typed } from "../platform/localTime";

interface WhenFieldProps {
  label: string;
  value: Date | undefined;
  onChange: (value: Date | undefined) => void;
}

/** A date and time of the reader's own clock. One that comes twice when clocks are put back is asked about; one that never comes is refused. */
export function WhenField({ label, value, onChange }: WhenFieldProps) {
  const id = useId();
  const [text, setText] = useState(() => (value ? typed(value) : ""));
  const found = text === "" ? [] : readings(text);
  const change = (next: string) => {
    setText(next);
    const all = next === "" ? [] : readings(next);
    onChange(all.length === 1 ? all[0] : undefined);
  };
  return (
    <div>
      <label htmlFor={id}>{label}</label>
      <input id={id} type="datetime-local" required value={text} aria-describedby={`${id}-problem`} onChange={(event) => change(event.target.value)} />
      <div id={`${id}-problem`}>
        {text !== "" && found.length === 0 && <p className="problem">Clocks are put forward then: this time never comes.</p>}
        {found.length > 1 && (
          <fieldset className="readings">
            <legend>Clocks are put back then: this time comes twice. Which one?</legend>
            {found.map((at) => (
              <label key={at.getTime()}>
                <input type="radio" name={id} checked={value?.getTime() === at.getTime()} onChange={() => onChange(at)} /> {reading(at)}
              </label>
            ))}
          </fieldset>
        )}
      </div>
    </div>
  );
}
