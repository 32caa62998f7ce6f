/** Sizes as people read them. Pure. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function bytesInWords(size: bigint): string {
  let value = Number(size);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
