/** What a rule is about, as it is written. */
export function Matchers({ matchers }: { matchers: readonly string[] }) {
  return (
    <span className="matchers">
      {matchers.map((matcher) => (
        <code key={matcher}>{matcher}</code>
      ))}
    </span>
  );
}
