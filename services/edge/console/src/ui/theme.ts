/** Dark, light, or as the system says; remembered in this browser. */

import { useState } from "react";

export type Theme = "system" | "dark" | "light";
const KEY = "tocsin-theme";
const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };

export function applyTheme(theme: Theme = storedTheme()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(storedTheme);
  const change = () => {
    const next = NEXT[theme];
    localStorage.setItem(KEY, next);
    applyTheme(next);
    setTheme(next);
  };
  return [theme, change];
}

function storedTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "dark" || stored === "light" ? stored : "system";
}
