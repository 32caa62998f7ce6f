/** Matchers as people type them, in Alertmanager's syntax: `team="db", env=~"prod.*"`. Pure; the server reads each of them. */

/** The single matchers of a text: parted by commas or line breaks outside of quotes, braces around all of them left out. */
export function splitMatchers(text: string): string[] {
  const bare = text.trim();
  const inner = bare.startsWith("{") && bare.endsWith("}") ? bare.slice(1, -1) : bare;
  const found: string[] = [];
  let current = "";
  let quoted = false;
  let escaped = false;
  for (const letter of inner) {
    if (!quoted && (letter === "," || letter === "\n")) {
      found.push(current);
      current = "";
      continue;
    }
    if (letter === '"' && !escaped) quoted = !quoted;
    escaped = letter === "\\" && !escaped;
    current += letter;
  }
  found.push(current);
  return found.map((each) => each.trim()).filter((each) => each !== "");
}

/** A matcher for exactly this value of a label. */
export function equalMatcher(name: string, value: string): string {
  const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `${name}="${escaped}"`;
}

/** What matches alerts like this one: all its labels, by name. */
export function matchersOf(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => equalMatcher(name, value));
}
