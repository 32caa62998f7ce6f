import { useSearchParams } from "wouter";

/** One filter, kept in the address so that a view can be linked to. The fallback is left out of the address. */
export function useFilter<Value extends string>(name: string, fallback: Value, allowed?: readonly Value[]): [Value, (value: Value) => void] {
  const [parameters, setParameters] = useSearchParams();
  const given = parameters.get(name) as Value | null;
  const value = given !== null && (allowed === undefined || allowed.includes(given)) ? given : fallback;
  const set = (next: Value) =>
    setParameters(
      (before) => {
        const after = new URLSearchParams(before);
        if (next === fallback) after.delete(name);
        else after.set(name, next);
        return after;
      },
      { replace: true },
    );
  return [value, set];
}
