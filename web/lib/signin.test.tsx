import { MantineProvider } from "@mantine/core";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { currentUser, forget } from "./auth";
import { SignIn } from "./SignIn";

vi.mock("./config", () => ({ config: () => ({ demo_logins: [], operator: { slug: "flitz" } }) }));
vi.mock("./i18n", () => ({ useText: () => (key: string) => key, hasText: (key: string) => key === "error.WRONG_CODE", text: (key: string) => key, language: () => "en" }));

const user = { id: "usr_1", email: "ada@example.org", tenant: "flitz", roles: ["admin"] };
const opened = { access_token: "a", expires_in: 3600, user };
const refusal = (code: string, details: object) => Response.json({ error: { code, message: "", details } }, { status: 401 });
const needed = (...methods: string[]) => refusal("SECOND_FACTOR_NEEDED", { challenge: "chl_1.x", methods });
const fetching = vi.fn<typeof fetch>();
const sent = () => fetching.mock.calls.map(([path, init]) => [path, JSON.parse(String(init?.body))] as [string, object]);

beforeEach(() => {
  vi.stubGlobal("fetch", fetching.mockReset());
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }));
  forget();
  render(<MantineProvider><SignIn /></MantineProvider>);
});
afterEach(() => (cleanup(), vi.unstubAllGlobals()));

const type = (label: string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));
function password(answer: Response) {
  fetching.mockResolvedValueOnce(answer);
  type("email", "ada@example.org");
  type("password", "secret");
  press("signIn");
}

test("a password that is enough signs in", async () => {
  password(Response.json(opened));
  await waitFor(() => expect(currentUser()).toEqual(user));
});

test("the code of the app is asked for; a wrong one may be corrected", async () => {
  password(needed("totp", "recovery_code"));
  await screen.findByLabelText("second.code");
  fetching.mockResolvedValueOnce(refusal("WRONG_CODE", { tries_left: 4 }));
  type("second.code", "000000");
  press("signIn");
  expect((await screen.findByRole("alert")).textContent).toBe("error.WRONG_CODE");
  fetching.mockResolvedValueOnce(Response.json(opened));
  type("second.code", " 123456 ");
  press("signIn");
  await waitFor(() => expect(currentUser()).toEqual(user));
  expect(sent().at(-1)).toEqual(["/session/second-factor", { challenge: "chl_1.x", code: "123456" }]);
});

test("a recovery code instead, and the way back", async () => {
  password(needed("totp", "recovery_code"));
  fireEvent.click(await screen.findByRole("button", { name: "back" }));
  password(needed("totp", "recovery_code"));
  fireEvent.click(await screen.findByRole("button", { name: "second.useRecovery" }));
  fetching.mockResolvedValueOnce(Response.json(opened));
  type("second.recovery", "ABCD-EFGH");
  press("signIn");
  await waitFor(() => expect(currentUser()).toEqual(user));
  expect(sent().at(-1)?.[1]).toEqual({ challenge: "chl_1.x", recovery_code: "ABCD-EFGH" });
});

test("a challenge that is over begins again, and says why", async () => {
  password(needed("totp"));
  await screen.findByLabelText("second.code");
  expect(screen.queryByRole("button", { name: "second.useRecovery" })).toBeNull();
  fetching.mockResolvedValueOnce(refusal("WRONG_CODE", { tries_left: 0 }));
  type("second.code", "000000");
  press("signIn");
  expect((await screen.findByRole("alert")).textContent).toBe("second.over");
  screen.getByLabelText("password");
  expect(currentUser()).toBeNull();
});
