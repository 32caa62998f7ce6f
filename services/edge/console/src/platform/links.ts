/** The address if it is safe to link to (http or https), else undefined. Senders' text is data, never an instruction. */
export function safeLink(address: string): string | undefined {
  const url = URL.parse(address);
  return url !== null && (url.protocol === "https:" || url.protocol === "http:") ? url.href : undefined;
}
