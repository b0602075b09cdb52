import { chooseLanguage, startLanguages } from "@lib/i18n";
import { currentUser, forget } from "@lib/auth";
import { setConfig } from "@lib/config";
import { beforeEach, expect, test, vi } from "vitest";
import { openDoor } from "./door";
import { doorTexts } from "./texts";

const words = { de: async () => doorTexts.de, en: async () => doorTexts.en };
const user = { id: "usr_1", email: "ada@example.org", tenant: "flitz", roles: ["customer"] };
const opened = { access_token: "a", expires_in: 3600, user };
const refused = (code: string, details = {}) => Response.json({ error: { code, message: "", details } }, { status: 401 });
const fetching = vi.fn<typeof fetch>();
let root: HTMLElement;
let close = () => {};

const named = (name: string) => [...root.querySelectorAll("button")].find((each) => each.textContent === name)!;
const field = (name: string) => root.querySelector<HTMLInputElement>(`input[name=${name}]`)!;
const heading = () => root.querySelector("h1")!.textContent;
const submit = () => root.querySelector("form")!.dispatchEvent(new Event("submit", { cancelable: true }));

async function at(greeted: boolean) {
  close();
  localStorage.clear();
  if (greeted) localStorage.setItem("fahrwerk.greeted", "true");
  await startLanguages(words);
  await chooseLanguage("en");
  root = document.createElement("div");
  document.body.replaceChildren(root);
  close = openDoor(root);
}
beforeEach(() => {
  vi.stubGlobal("fetch", fetching.mockReset());
  setConfig({ operator: { slug: "flitz", name: "Flitz", currency: "EUR", time_zone: "Europe/Berlin", locale: "de" } });
  forget();
});

test("language, terms and lessons come once, and terms want a tick", async () => {
  await at(false);
  named("Deutsch").click();
  await vi.waitFor(() => expect(heading()).toBe("Welche Sprache?"));
  named("Weiter").click();
  expect(named("Weiter").disabled).toBe(true);
  root.querySelector<HTMLInputElement>("[type=checkbox]")!.click();
  named("Weiter").click();
  expect(heading()).toBe("Finden");
  named("Überspringen").click();
  expect(heading()).toBe("Willkommen");
  expect(localStorage.getItem("fahrwerk.greeted")).toBe("true");
});

test("a wrong password is said, what was typed stays; the right one signs in", async () => {
  await at(true);
  field("login").value = "ada@example.org";
  field("password").value = "wrong";
  fetching.mockResolvedValueOnce(refused("AUTHENTICATION_FAILED"));
  submit();
  await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("not right"));
  await startLanguages({ ...words }); // the app's words come meanwhile
  expect(field("login").value).toBe("ada@example.org");
  fetching.mockResolvedValueOnce(Response.json(opened));
  submit();
  await vi.waitFor(() => expect(currentUser()).toEqual(user));
});

test("an account with a second factor is asked for it, and its last try leads back", async () => {
  await at(true);
  field("login").value = "ada@example.org";
  field("password").value = "right";
  fetching.mockResolvedValueOnce(refused("SECOND_FACTOR_NEEDED", { challenge: "chl_1.x", methods: ["totp", "recovery_code"] }));
  submit();
  await vi.waitFor(() => expect(field("code")).not.toBeNull());
  expect(document.activeElement).toBe(field("code"));
  named("Use a recovery code").click();
  field("code").value = "ABCD-1234";
  fetching.mockResolvedValueOnce(refused("WRONG_CODE", { tries_left: 0 }));
  submit();
  await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("too often"));
  expect(JSON.parse(String(fetching.mock.lastCall?.[1]?.body))).toEqual({ challenge: "chl_1.x", recovery_code: "ABCD-1234" });
  expect(field("login")).not.toBeNull();
});

test("a password can be looked at", async () => {
  await at(true);
  const eye = root.querySelector<HTMLButtonElement>("[aria-label='Show the password']")!;
  eye.click();
  expect(field("password").type).toBe("text");
  expect(eye.getAttribute("aria-label")).toBe("Hide the password");
});
