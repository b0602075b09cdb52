// Files on their way up, with progress: only XMLHttpRequest tells how much has left.
import { accessToken, forget, operatorSlug, renew } from "../auth";
import { NoNetwork, problemFrom } from "../errors";
import { language } from "../i18n";

interface Upload {
  method?: "POST" | "PUT";
  body: Blob | string | BufferSource;
  type: string;
  /** From 0 to 1. */
  onProgress?: ((part: number) => void) | undefined;
}

/** The JSON of the answer, `null` where there is none. Raises `ApiProblem`. */
export async function sendFile(path: string, upload: Upload): Promise<unknown> {
  const key = crypto.randomUUID();
  let answer = await once(path, upload, key);
  if (answer.status === 401 && (await renew())) answer = await once(path, upload, key);
  if (answer.status === 401) forget();
  if (answer.status >= 400) throw problemFrom(answer.status, answer.body);
  return answer.body;
}

async function once(path: string, { method = "POST", body, type, onProgress }: Upload, key: string): Promise<{ status: number; body: unknown }> {
  const token = await accessToken();
  const slug = operatorSlug();
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    if (slug) request.setRequestHeader("x-tenant-id", slug);
    request.setRequestHeader("accept-language", language());
    request.setRequestHeader("content-type", type);
    request.setRequestHeader("idempotency-key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onerror = request.ontimeout = () => failed(new NoNetwork());
    request.onload = () => done({ status: request.status, body: parsed(request.responseText) });
    request.send(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null; // an answer that is not ours: its status says enough
  }
}
