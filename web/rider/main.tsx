import "./mantine";
import { start } from "@lib/Frame";
import "./account/install";
import { App } from "./App";

void start(
  {
    de: () => import("./texts/de").then((m) => m.default),
    en: () => import("./texts/en").then((m) => m.default),
    fr: () => import("./texts/fr").then((m) => m.default),
    es: () => import("./texts/es").then((m) => m.default),
  },
  <App />,
);

if (import.meta.env.PROD && "serviceWorker" in navigator)
  addEventListener("load", () => void navigator.serviceWorker.register("/app/worker.js", { scope: "/app/" }).catch(() => undefined));
