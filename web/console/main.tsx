import "@mantine/core/styles.layer.css";
import "@lib/update";
import { resume } from "@lib/auth";
import { loadConfig } from "@lib/config";
import { Frame } from "@lib/Frame";
import { startLanguages } from "@lib/i18n";
import { createRoot } from "react-dom/client";
import { App } from "./App";

const words = { de: () => import("./texts/de").then((m) => m.default), en: () => import("./texts/en").then((m) => m.default) };

await Promise.all([loadConfig(), startLanguages(words)]);
void resume();
createRoot(document.getElementById("root")!).render(<Frame><App /></Frame>);
