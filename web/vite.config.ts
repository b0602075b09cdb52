import react from "@vitejs/plugin-react";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { afterBuild } from "./build/after.ts";

const platform = process.env.FAHRWERK_URL ?? "http://127.0.0.1:8080";

// A bad network pays for each file, whatever its size: what is needed together goes together.
const SHOWN_FIRST = "ActionIcon|Button|Chip|Group|Loader|Paper|Skeleton|Stack|Text|ThemeIcon|Title|Transition|UnstyledButton";
const groups = [
  { name: "core", priority: 4, test: /\0|\/lib\/(auth|config|errors|i18n|icons|soon|update|texts\/\w+)\.|\/node_modules\/react\// },
  { name: "door", priority: 3, test: /\/rider\/(door\/|keep\.|account\/install\.)/ },
  { name: "react", priority: 2, test: /\/node_modules\/(react-dom|scheduler|@tanstack\/(react-router|router-core|react-query|query-core|history|react-store|store))\// },
  { name: "pieces", priority: 1, test: new RegExp(`/node_modules/@mantine/core/esm/(core|components/(${SHOWN_FIRST}))/|/lib/(Frame|theme|toast|states|format|api/\\w+)\\.`) },
  { name: "app", priority: 0, test: /\/rider\/(inside|App|link|text|mantine|shell\/\w+|find\/(Find|VehicleRow|Battery|place|search|find)|trip\/(current|queue|TripBar))\./ },
];

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
    rolldownOptions: {
      input: { rider: resolve("rider/index.html"), console: resolve("console/index.html") },
      output: { codeSplitting: { groups } },
    },
  },
  // `npm run dev`: pages by Vite, everything else by a running platform.
  server: { proxy: Object.fromEntries(["/api", "/session", "/web/config.json", "/web/map"].map((p) => [p, platform])) },
  test: { environment: "jsdom", include: ["{lib,rider,console,build}/**/*.test.{ts,tsx}"] },
});
