// The first minute: language, terms, and what the app is good for. Once.
import { chooseLanguage, language, LANGUAGES, offeredLanguages } from "@lib/i18n";
import type { IconName } from "@lib/icons";
import { keep } from "../keep";
import type { Door } from "./door";
import classes from "./door.module.css";
import { h, icon } from "./element";
import { signInForm } from "./forms";
import { say, type DoorKey } from "./texts";

const LESSONS: { icon: IconName; title: DoorKey; text: DoorKey }[] = [
  { icon: "map", title: "hello.findTitle", text: "hello.findText" },
  { icon: "qr", title: "hello.scanTitle", text: "hello.scanText" },
  { icon: "scooter", title: "hello.rideTitle", text: "hello.rideText" },
  { icon: "flag", title: "hello.endTitle", text: "hello.endText" },
];
const STEPS = 2 + LESSONS.length;

export const hello = (step = 0) => (door: Door): Node[] => {
  const done = () => {
    keep("greeted", true);
    door.show(signInForm());
  };
  const next = () => (step + 1 < STEPS ? door.show(hello(step + 1)) : done());
  const lesson = LESSONS[step - 2];
  const on = h("button", { type: "button", class: classes.main, disabled: step === 1, onclick: next }, say(step + 1 === STEPS ? "hello.start" : "hello.next"));
  const dots = Array.from({ length: STEPS }, (_, i) => h("i", { "data-now": i === step }));
  return [
    h("div", { class: classes.dots, role: "img", "aria-label": say("hello.step", { n: step + 1, of: STEPS }) }, ...dots),
    ...(step === 0 ? languages() : lesson ? lessonOf(lesson) : terms((agreed) => (on.disabled = !agreed))),
    h(
      "div", { class: classes.stack }, on,
      lesson && step + 1 < STEPS ? h("button", { type: "button", class: classes.quiet, onclick: done }, say("hello.skip")) : null,
    ),
  ];
};

const title = (key: DoorKey) => h("h1", { tabindex: -1 }, say(key));

const languages = () => [
  title("hello.language"),
  h(
    "div", { class: classes.stack },
    ...offeredLanguages().map((each) =>
      h(
        "button",
        { type: "button", class: classes.language, lang: each, "aria-pressed": String(language() === each), onclick: () => void chooseLanguage(each) },
        LANGUAGES[each], language() === each ? icon("check", 22) : null,
      ),
    ),
  ),
];

const elsewhere = (href: string, key: DoorKey) => h("a", { href, target: "_blank" }, say(key));

const terms = (onAgreed: (agreed: boolean) => void) => [
  title("hello.termsTitle"),
  h("p", {}, say("hello.termsText")),
  h("p", { class: classes.links }, elsewhere("/legal/terms", "hello.readTerms"), elsewhere("/legal/privacy", "hello.readPrivacy")),
  h(
    "label", { class: classes.check },
    h("input", { type: "checkbox", onchange: (event) => onAgreed((event.currentTarget as HTMLInputElement).checked) }),
    say("hello.terms"),
  ),
];

const lessonOf = (lesson: (typeof LESSONS)[number]) => [
  h("div", { class: classes.art }, icon(lesson.icon, 56)),
  title(lesson.title),
  h("p", { class: classes.lesson }, say(lesson.text)),
];
