// The app behind the door: everything for whoever is signed in.
import "./mantine";
import { Frame, queries } from "@lib/Frame";
import { startLanguages } from "@lib/i18n";
import { createRoot } from "react-dom/client";
import { App } from "./App";

/** Its words; drawn before they are there, it would have none. */
export const ready = startLanguages({
  de: () => import("./texts/de").then((m) => m.default),
  en: () => import("./texts/en").then((m) => m.default),
  fr: () => import("./texts/fr").then((m) => m.default),
  es: () => import("./texts/es").then((m) => m.default),
});

/** Draws the app into `element`; returns how to take it away, with all it knew of the person. */
export function enter(element: HTMLElement): () => void {
  const root = createRoot(element);
  root.render(<Frame><App /></Frame>);
  return () => {
    root.unmount();
    queries.clear();
  };
}
