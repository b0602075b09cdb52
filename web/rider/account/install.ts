import { useSyncExternalStore } from "react";

interface InstallPrompt extends Event {
  prompt: () => Promise<unknown>;
}
let offer: InstallPrompt | null = null;
const heard = new Set<() => void>();
const become = (next: InstallPrompt | null) => {
  offer = next;
  heard.forEach((tell) => tell());
};
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  become(event as InstallPrompt);
});
addEventListener("appinstalled", () => become(null));

/** Installs the app; null where the browser does not offer it. */
export function useInstall(): (() => Promise<void>) | null {
  const now = useSyncExternalStore((tell) => (heard.add(tell), () => heard.delete(tell)), () => offer);
  return now && (async () => {
    await now.prompt();
    become(null);
  });
}
