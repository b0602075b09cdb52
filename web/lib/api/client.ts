// The platform's API, typed by its own OpenAPI document (schema.d.ts, written by `make client`).
import createClient from "openapi-fetch";
import { accessToken, forget, operatorSlug, renew } from "../auth";
import { NoNetwork, problemFrom } from "../errors";
import { language } from "../i18n";
import type { components, paths } from "./schema";

export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** RNT-28: how long to wait before each repeat while the platform is out of reach. */
export const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];
/** A 503 with one of these codes is an answer, not an outage: repeating it is the person's choice. */
const ANSWERS = new Set(["VEHICLE_OFFLINE", "PAYMENT_PENDING"]);

const waited = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function once(request: Request, token: string): Promise<Response> {
  const sent = request.clone();
  const slug = operatorSlug();
  if (token) sent.headers.set("authorization", `Bearer ${token}`);
  if (slug) sent.headers.set("x-tenant-id", slug);
  sent.headers.set("accept-language", language());
  try {
    return await fetch(sent);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new NoNetwork();
  }
}

async function isOutage(answer: Response): Promise<boolean> {
  if (answer.status !== 503) return false;
  const body = await answer.clone().json().catch(() => null);
  return !ANSWERS.has(problemFrom(503, body).code);
}

/**
 * Sends a request with who we are. Repeats it while the platform is out of reach: reads for nothing,
 * writes because they carry an `Idempotency-Key` and so happen once. A token that has run out is renewed.
 */
export async function sendRequest(request: Request, pauses = PAUSES_MS): Promise<Response> {
  if (request.method !== "GET" && !request.headers.has("idempotency-key"))
    request.headers.set("idempotency-key", crypto.randomUUID());
  for (let attempt = 0; ; attempt++) {
    const pause = navigator.onLine ? pauses[attempt] : undefined;
    try {
      let answer = await once(request, await accessToken());
      if (answer.status === 401 && (await renew())) answer = await once(request, await accessToken());
      if (answer.status === 401) forget();
      if (pause === undefined || !(await isOutage(answer))) return answer;
    } catch (error) {
      if (!(error instanceof NoNetwork) || pause === undefined) throw error;
    }
    await waited(pause);
  }
}

export const api = createClient<paths>({ baseUrl: "", fetch: sendRequest });

/** The data of an answer; raises `ApiProblem` for anything else. */
export async function ok<Data>(
  answer: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Exclude<Data, undefined>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw problemFrom(response.status, error);
  return data as Exclude<Data, undefined>;
}
