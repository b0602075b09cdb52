import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { signIn } from "../auth";
import { ApiProblem, errorText } from "../errors";
import { startLanguages } from "../i18n";
import { api, ok, sendRequest } from "./client";
import { eventsIn } from "./stream";

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const refused = (code: string, status: number) => json({ error: { code, message: "Said by the platform", details: { field: "x" }, request_id: "r" } }, status);
const opened = (token: string) => json({ access_token: token, expires_in: 3600, user: { id: "usr_1", email: "a@b.c", tenant: "m", roles: ["customer"] } });

let answers: (Response | Error)[] = [];
let asked: Request[] = [];
beforeEach(async () => {
  await startLanguages({ en: async () => ({}) });
  asked = [];
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async (input: RequestInfo, init?: RequestInit) => {
    asked.push(input instanceof Request ? input : new Request(new URL(String(input), "http://localhost"), init));
    const next = answers.shift() ?? json({});
    if (next instanceof Error) throw next;
    return next;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const get = () => new Request("http://localhost/api/v1/wallet");
const post = () => new Request("http://localhost/api/v1/bookings", { method: "POST", body: "{}" });

test("an outage is waited for: 1, 2, 4, 8 seconds (RNT-28)", async () => {
  answers = [refused("DATABASE_UNAVAILABLE", 503), new TypeError("lost"), refused("X", 503), refused("X", 503), json({ good: 1 })];
  const answer = sendRequest(get());
  for (const [ms, count] of [[0, 1], [1_000, 2], [2_000, 3], [4_000, 4], [8_000, 5]] as const) {
    await vi.advanceTimersByTimeAsync(ms);
    expect(asked).toHaveLength(count);
  }
  expect(await (await answer).json()).toEqual({ good: 1 });
});

test("a write that is repeated keeps its key, so that it happens once", async () => {
  answers = [new TypeError("lost"), json({}, 201)];
  const answer = sendRequest(post());
  await vi.advanceTimersByTimeAsync(1_000);
  expect((await answer).status).toBe(201);
  const keys = asked.map((each) => each.headers.get("idempotency-key"));
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(keys[1]).toBe(keys[0]);
});

test("a vehicle's silence is an answer and not repeated", async () => {
  answers = [refused("VEHICLE_OFFLINE", 503)];
  expect((await sendRequest(post())).status).toBe(503);
  expect(asked).toHaveLength(1);
});

test("a token that has run out is renewed once, by the cookie", async () => {
  answers = [opened("one")];
  await signIn({ login: "a@b.c", password: "secret" });
  answers = [refused("AUTHENTICATION_FAILED", 401), opened("two"), json({ amount: 1 })];
  expect((await sendRequest(get())).status).toBe(200);
  expect(asked.map((each) => new URL(each.url).pathname)).toEqual(["/session", "/api/v1/wallet", "/session/access", "/api/v1/wallet"]);
  expect(asked.at(-1)?.headers.get("authorization")).toBe("Bearer two");
});

test("a refusal is raised with its code, and people read their own language", async () => {
  answers = [refused("PROMOTION_NOT_VALID", 400), refused("SOMETHING_NEW", 409)];
  const raised = await ok(api.GET("/api/v1/wallet", { baseUrl: "http://localhost" })).catch((error: unknown) => error);
  expect(raised).toBeInstanceOf(ApiProblem);
  expect(errorText(raised)).toBe("This promotion code is not valid.");
  const other = await ok(api.GET("/api/v1/wallet", { baseUrl: "http://localhost" })).catch((error: unknown) => error);
  expect(errorText(other)).toBe("Said by the platform");
});

test("events are read as they come, whole or in pieces", () => {
  const first = eventsIn('event: ride\ndata: {"a":\ndata: 1}\n\n: beat\n\nevent: ri');
  expect(first.events).toEqual([{ name: "ride", data: '{"a":\n1}' }]);
  expect(eventsIn(`${first.rest}de\r\ndata: 2\r\n\r\n`).events).toEqual([{ name: "ride", data: "2" }]);
});
