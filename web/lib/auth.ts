// Who is signed in. The session is a cookie that no script can read; what is said to the API is an
// access token of an hour, which lives in this module and nowhere else.
import { useSyncExternalStore } from "react";
import { config } from "./config";
import { NoNetwork, problemOf } from "./errors";
import { language } from "./i18n";

export interface User {
  id: string;
  email: string | null;
  tenant: string;
  roles: string[];
  phone?: string | null;
  first_name?: string | null;
  last_name?: string | null;
}
export type Session = { is: "unknown" } | { is: "out" } | { is: "in"; user: User };

interface Opened {
  access_token: string;
  expires_in: number;
  user: User;
}

/** Kept so that the app opens without a network; it names the person, it proves nothing. */
const LAST_USER = "fahrwerk.user";

/** A network that swallows everything counts as none. */
const ANSWER_MS = 15_000;

let session: Session = { is: "unknown" };
let access = "";
let expires = 0;
let renewing: Promise<boolean> | null = null;
const heard = new Set<() => void>();

function become(next: Session): void {
  session = next;
  if (next.is === "in") localStorage.setItem(LAST_USER, JSON.stringify(next.user));
  if (next.is === "out") localStorage.removeItem(LAST_USER);
  heard.forEach((tell) => tell());
}

export const sessionNow = (): Session => session;
/** Tells when somebody comes or goes; returns how to stop that. */
export const onSession = (tell: () => void): (() => void) => (heard.add(tell), () => heard.delete(tell));
export const useSession = (): Session => useSyncExternalStore(onSession, sessionNow);

export const currentUser = (): User | null => (session.is === "in" ? session.user : null);

/** Whose page this is, for what is asked before anybody has signed in; the token says it afterwards. */
export const operatorSlug = (): string | null => (session.is === "in" ? null : (config().operator?.slug ?? null));

function take(opened: Opened): void {
  access = opened.access_token;
  expires = Date.now() + opened.expires_in * 1000;
  become({ is: "in", user: opened.user });
}

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { "accept-language": language(), ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new NoNetwork();
  }
}

export interface Credentials {
  login: string;
  password: string;
  operator?: string;
}

/** The password was right; one of the two codes is asked for as well. */
export interface SecondStep {
  challenge: string;
  methods: string[];
}

/** On to the log-in page, and back here. */
export const elsewhere = () => location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);

/** By e-mail or phone; answers what is still to do, if a password is not enough. Raises `ApiProblem`. */
export async function signIn(said: Credentials): Promise<SecondStep | null> {
  const who = said.login.includes("@") ? { email: said.login.trim() } : { phone: said.login.trim() };
  const tenant = said.operator?.trim() || config().operator?.slug;
  const answer = await ask("POST", "/session", { ...who, password: said.password, ...(tenant ? { tenant } : {}) });
  if (answer.ok) {
    take((await answer.json()) as Opened);
    return null;
  }
  const problem = await problemOf(answer);
  if (problem.code === "SECOND_FACTOR_NEEDED") {
    const step = problem.details as unknown as SecondStep;
    if (step.methods.includes("totp") || step.methods.includes("recovery_code")) return step;
  }
  // Passkeys, setting up an app, single sign-on: that is done on the log-in page.
  if (problem.code === "SECOND_FACTOR_NEEDED" || problem.code === "SSO_REQUIRED") elsewhere();
  throw problem.code === "AUTHENTICATION_FAILED" ? problem.as("INVALID_CREDENTIALS") : problem;
}

/** The second step, by a code of the app or a recovery code. Raises `ApiProblem`. */
export async function finishSignIn(challenge: string, code: { code: string } | { recovery_code: string }): Promise<void> {
  const answer = await ask("POST", "/session/second-factor", { challenge, ...code });
  if (!answer.ok) throw await problemOf(answer);
  take((await answer.json()) as Opened);
}

/**
 * Called once at the start: is there a session from before? Whoever was here last is shown at once,
 * also without a network; what they ask for waits for the token, and a session that is over ends it.
 */
export async function resume(): Promise<void> {
  const last = localStorage.getItem(LAST_USER);
  if (last) become({ is: "in", user: JSON.parse(last) as User });
  await renew().catch(() => !last && become({ is: "out" }));
}

/** The token to send, renewed shortly before it ends; empty when nobody is signed in. */
export async function accessToken(): Promise<string> {
  if (session.is === "in" && Date.now() > expires - 30_000) await renew();
  return access;
}

/**
 * A fresh token from the cookie; false when the session is over. Callers at the same time share one.
 * Raises `NoNetwork`, and `ApiProblem` while the platform has an outage.
 */
export function renew(): Promise<boolean> {
  renewing ??= (async () => {
    const answer = await ask("POST", "/session/access");
    if (answer.ok) take((await answer.json()) as Opened);
    else if (answer.status >= 500 || answer.status === 429) throw await problemOf(answer);
    else forget();
    return answer.ok;
  })().finally(() => (renewing = null));
  return renewing;
}

export function forget(): void {
  access = "";
  expires = 0;
  become({ is: "out" });
}

export async function signOut(): Promise<void> {
  await ask("DELETE", "/session").catch(() => undefined);
  forget();
}
