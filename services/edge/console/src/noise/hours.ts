/** What share of the alerts of some hours was held back. Pure. */

export interface Hour {
  /** When it begins, milliseconds since 1970. */
  from: number;
  told: number;
  held: number;
}

/** The share of alerts that was held back, in whole percent; 0 if there were none. */
export function heldShare(all: readonly Hour[]): number {
  const [told, held] = [all.reduce((sum, hour) => sum + hour.told, 0), all.reduce((sum, hour) => sum + hour.held, 0)];
  return told + held === 0 ? 0 : Math.round((100 * held) / (told + held));
}
