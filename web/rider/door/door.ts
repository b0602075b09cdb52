// What somebody sees who is not signed in. It is drawn without a framework: a framework is ten times
// what these forms are, and on a bad network each second before the first tap is one too many.
import { language, onLanguage } from "@lib/i18n";
import { kept } from "../keep";
import classes from "./door.module.css";
import { h } from "./element";
import { signInForm } from "./forms";
import { hello } from "./hello";

export type View = (door: Door) => Node[];
export interface Door {
  show: (view: View) => void;
}

/** Shows the door in `root`; returns how to take it away. */
export function openDoor(root: HTMLElement): () => void {
  const card = h("div", { class: classes.card });
  let view: View = kept("greeted") ? signInForm() : hello();
  const door: Door = {
    show: (next) => {
      view = next;
      draw();
      // whoever listens hears where they are; a code is what there is to type
      (card.querySelector<HTMLElement>("[autocomplete=one-time-code]") ?? card.querySelector("h1"))?.focus();
    },
  };
  let drawnIn = language();
  const draw = () => card.replaceChildren(...view(door));
  const inAnother = () => {
    if (language() === drawnIn) return; // only more words: what was typed stays
    drawnIn = language();
    draw();
    card.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
  };
  draw();
  root.replaceChildren(h("main", { class: classes.hello }, card));
  return onLanguage(inAnother);
}
