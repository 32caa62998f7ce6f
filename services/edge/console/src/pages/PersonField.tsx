import { useQuery } from "@connectrpc/connect-query";
import { useId } from "react";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";

interface PersonFieldProps {
  label: string;
  /** What the empty choice says. */
  none: string;
  value: string;
  onChange: (name: string) => void;
}

/** The responders, by the names that people read. */
export function useResponders() {
  return useQuery(ResponseService.method.exportConfiguration, {}, { staleTime: 30_000 }).data?.configuration?.responders ?? [];
}

export function PersonField({ label, none, value, onChange }: PersonFieldProps) {
  const id = useId();
  const people = useResponders();
  const known = value === "" || people.some((person) => person.name === value);
  return (
    <div className="filter-field">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{none}</option>
        {!known && <option value={value}>{value}</option>}
        {people.map((person) => (
          <option key={person.name} value={person.name}>
            {person.displayName || person.name}
          </option>
        ))}
      </select>
    </div>
  );
}
