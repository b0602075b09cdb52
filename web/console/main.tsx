import "@mantine/core/styles.layer.css";
import { start } from "@lib/Frame";
import { App } from "./App";

void start(
  { de: () => import("./texts/de").then((m) => m.default), en: () => import("./texts/en").then((m) => m.default) },
  <App />,
);
