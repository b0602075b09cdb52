import react from "@vitejs/plugin-react";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { afterBuild } from "./build/after.ts";

const platform = process.env.FAHRWERK_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/web/",
  plugins: [react(), afterBuild()],
  resolve: { alias: { "@lib": resolve("lib") } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy knows no data: scripts or styles
    chunkSizeWarningLimit: 1_500,
    rolldownOptions: { input: { rider: resolve("rider/index.html"), console: resolve("console/index.html") } },
  },
  // `npm run dev`: pages by Vite, everything else by a running platform.
  server: { proxy: Object.fromEntries(["/api", "/session", "/web/config.json", "/web/map"].map((p) => [p, platform])) },
  test: { environment: "jsdom", include: ["{lib,rider,console,build}/**/*.test.{ts,tsx}"] },
});
