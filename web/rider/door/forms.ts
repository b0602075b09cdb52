// Sign in, sign up, and the second step of an account that asks for one.
import { elsewhere, finishSignIn, signIn, type SecondStep } from "@lib/auth";
import { config } from "@lib/config";
import { ApiProblem, errorText } from "@lib/errors";
import { language } from "@lib/i18n";
import type { Door } from "./door";
import classes from "./door.module.css";
import { h, icon } from "./element";
import { say, type DoorKey } from "./texts";

const FOR = new Set(["customer", "business_user"]);

/** A labelled field of this name; the browser itself says what is missing in it. */
function field(name: string, label: DoorKey, more: Record<string, string | number | boolean>, hint?: DoorKey) {
  const input = h("input", {
    id: `door-${name}`, name, required: true, autocapitalize: "none", spellcheck: "false", "aria-describedby": hint && `door-${name}-hint`, ...more,
  });
  const box = h(
    "div", { class: classes.field },
    h("label", { for: input.id }, say(label)),
    hint ? h("small", { id: `door-${name}-hint` }, say(hint)) : null,
    input,
  );
  return { input, box };
}

function passwordField(autocomplete: string, hint?: DoorKey) {
  const made = field("password", "password", { type: "password", autocomplete, ...(hint ? { minlength: 10 } : {}) }, hint);
  const turn = h("button", { type: "button", class: classes.eye, "aria-pressed": "false", "aria-label": say("door.show") }, icon("eye", 20));
  turn.onclick = () => {
    const isHidden = made.input.type === "text";
    made.input.type = isHidden ? "password" : "text";
    turn.setAttribute("aria-pressed", String(!isHidden));
    turn.setAttribute("aria-label", say(isHidden ? "door.show" : "door.hide"));
  };
  const inside = h("div", { class: classes.secret });
  made.input.replaceWith(inside);
  inside.append(made.input, turn);
  return made;
}

/** Busy until `send` has failed: after a success something else is shown. */
function form(label: DoorKey, fields: HTMLElement[], send: () => Promise<unknown>, said = ""): HTMLFormElement {
  const problem = h("p", { role: "alert", class: classes.problem }, said);
  const button = h("button", { type: "submit", class: classes.main }, say(label));
  const isBusy = (busy: boolean) => {
    button.disabled = busy;
    button.setAttribute("aria-busy", String(busy));
  };
  const failed = (error: unknown) => {
    problem.textContent = errorText(error);
    isBusy(false);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    problem.textContent = "";
    isBusy(true);
    send().catch(failed);
  };
  return h("form", { class: classes.stack, onsubmit: submit }, ...fields, problem, button);
}

const link = (label: DoorKey, onclick: () => void) => h("button", { type: "button", class: classes.link, onclick }, say(label));

function head(title: DoorKey, subtitle?: DoorKey): HTMLElement {
  return h(
    "div", { class: classes.head }, icon("scooter", 48), h("p", { class: classes.dimmed }, config().operator?.name ?? ""),
    h("h1", { tabindex: -1 }, say(title)), subtitle ? h("p", { class: classes.dimmed }, say(subtitle)) : null,
  );
}

export const signInForm = (said = "") => (door: Door): Node[] => {
  const login = field("login", "email", { type: "text", autocomplete: "username", inputmode: "email" });
  const password = passwordField("current-password");
  const send = async () => {
    const step = await signIn({ login: login.input.value, password: password.input.value });
    if (step) door.show(secondForm(step));
  };
  const demos = config().demo_logins.filter((each) => FOR.has(each.role));
  const take = (demo: (typeof demos)[number]) => () => {
    login.input.value = demo.email;
    password.input.value = demo.password;
  };
  return [
    head("door.title", "door.subtitle"),
    form("signIn", [login.box, password.box], send, said),
    h("p", { class: classes.demo }, ...(demos.length ? ["Demo:"] : []), ...demos.map((each) => h("button", { type: "button", class: classes.link, onclick: take(each) }, each.who))),
    h("p", { class: classes.turn }, say("door.noAccount"), " ", link("door.register", () => door.show(registerForm))),
  ];
};

const registerForm = (door: Door): Node[] => {
  const first = field("first", "door.firstName", { type: "text", autocomplete: "given-name", autocapitalize: "words" });
  const last = field("last", "door.lastName", { type: "text", autocomplete: "family-name", autocapitalize: "words" });
  const email = field("email", "door.emailOnly", { type: "email", autocomplete: "username", inputmode: "email" });
  const password = passwordField("new-password", "door.passwordHint");
  const send = async () => {
    const { api, ok } = await import("@lib/api/client");
    const person = { first_name: first.input.value, last_name: last.input.value, email: email.input.value.trim(), password: password.input.value };
    const locale = language() === "de" ? "de" : "en";
    await ok(api.POST("/api/v1/auth/register", { body: { ...person, locale, tenant: config().operator?.slug ?? null } }));
    await signIn({ login: person.email, password: person.password });
  };
  return [
    head("door.register"),
    form("door.create", [first.box, last.box, email.box, password.box], send),
    h("p", { class: classes.turn }, say("door.haveAccount"), " ", link("signIn", () => door.show(signInForm()))),
  ];
};

const secondForm = (step: SecondStep, isRecovery = !step.methods.includes("totp")) => (door: Door): Node[] => {
  const code = field("code", isRecovery ? "second.recovery" : "second.code", {
    type: "text", maxlength: 40, autocomplete: "one-time-code", inputmode: isRecovery ? "text" : "numeric", autocapitalize: "characters",
  });
  const send = async () => {
    const said = code.input.value.trim();
    try {
      await finishSignIn(step.challenge, isRecovery ? { recovery_code: said } : { code: said });
    } catch (error) {
      code.input.value = "";
      if (!(error instanceof ApiProblem) || error.details.tries_left !== 0) throw error;
      door.show(signInForm(say("second.over")));
    }
  };
  const hasBoth = step.methods.includes("totp") && step.methods.includes("recovery_code");
  return [
    head("door.title"),
    h("p", {}, say("second.title")),
    form("signIn", [code.box], send),
    h(
      "p", { class: classes.links }, link("back", () => door.show(signInForm())),
      step.methods.includes("passkey") ? link("second.usePasskey", elsewhere) : null,
      hasBoth ? link(isRecovery ? "second.useCode" : "second.useRecovery", () => door.show(secondForm(step, !isRecovery))) : null,
    ),
  ];
};
