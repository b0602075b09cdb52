// The first thing that loads, and all that a bad network must carry before the first tap: who is not
// signed in stands at the door, and behind it the app itself is fetched while they type.
import "@lib/update";
import { onSession, resume, sessionNow } from "@lib/auth";
import { config, loadConfig } from "@lib/config";
import { startLanguages } from "@lib/i18n";
import { soon } from "@lib/soon";
import "./account/install";
import { openDoor } from "./door/door";
import { doorTexts } from "./door/texts";

const root = document.getElementById("root")!;
const inside = () => import("./inside");
let shown: "nothing" | "door" | "app" = "nothing";
let close = () => {};

async function show(): Promise<void> {
  const wanted = sessionNow().is === "in" ? "app" : "door";
  if (wanted === shown) return;
  shown = wanted;
  if (wanted === "door") {
    close();
    close = openDoor(root);
    return;
  }
  const app = await inside();
  await app.ready;
  if (shown !== wanted) return;
  close();
  close = app.enter(root);
}

// Light or dark before anything is drawn; Mantine, which keeps the choice, goes on from here.
const chosen = localStorage.getItem("mantine-color-scheme-value");
const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.dataset.mantineColorScheme = isDark ? "dark" : "light";

addEventListener("load", () => {
  soon(() => void inside().catch(() => undefined)); // asked for again when it is needed
  if (import.meta.env.PROD && "serviceWorker" in navigator) void navigator.serviceWorker.register("/app/worker.js", { scope: "/app/" }).catch(() => undefined);
});

// The page asks for the first before this file is there; the second is part of it.
await Promise.all([
  loadConfig(),
  startLanguages({ de: async () => doorTexts.de, en: async () => doorTexts.en, fr: async () => doorTexts.fr, es: async () => doorTexts.es }),
]);
document.title = config().operator?.name ?? document.title;
// What is missing now is there after a new start, once there is a network.
const failed = (): unknown => setTimeout(() => (navigator.onLine ? location.reload() : failed()), 5_000);
onSession(() => void show().catch(failed));
void resume();
void show().catch(failed);
