import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: {
    // light-dark() is used as it is; older browsers than these do not know it.
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    // The content security policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // build_console.py limits what counts: the compressed size of the first load.
    chunkSizeWarningLimit: 1000,
  },
  server: {
    proxy: { "^/tocsin\\.": loadEnv(mode, ".", "TOCSIN_")["TOCSIN_PUBLIC_URL"] ?? "http://127.0.0.1:8080" },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
}));
