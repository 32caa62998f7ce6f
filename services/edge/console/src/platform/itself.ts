/** Resources of such a name are the platform's own, for the check of itself: left out of lists, shown to whoever names them. */
export function isPlatforms(name: string): boolean {
  return name.startsWith("tocsin-");
}
