// The platform's one error format, and what people are told for it.
import { hasText, text } from "./i18n";

export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
    readonly requestId = "",
  ) {
    super(message);
    this.name = "ApiProblem";
  }

  /** The same under another code, where the place knows better what it means. */
  as(code: string): ApiProblem {
    return new ApiProblem(this.status, code, this.message, this.details, this.requestId);
  }
}

/** No answer came at all. */
export class NoNetwork extends ApiProblem {
  constructor() {
    super(0, "NO_NETWORK", "No connection");
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; details?: Record<string, unknown>; request_id?: string };
}

export function problemFrom(status: number, body: unknown): ApiProblem {
  const error = (body as ErrorBody | null)?.error;
  return new ApiProblem(
    status,
    error?.code ?? (status >= 500 ? "SERVICE_UNAVAILABLE" : "REQUEST_FAILED"),
    error?.message ?? "",
    error?.details ?? {},
    error?.request_id ?? "",
  );
}

export async function problemOf(answer: Response): Promise<ApiProblem> {
  return problemFrom(answer.status, await answer.json().catch(() => null));
}

/** What to show for anything that was thrown: our text for its code, else what the platform said. */
export function errorText(thrown: unknown): string {
  if (!(thrown instanceof ApiProblem)) return text("error.unexpected");
  const { code, status, details } = thrown;
  const values: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(details))
    if (typeof value === "string" || typeof value === "number") values[name] = value;
  const because = `error.${code}_${String(details.reason)}`;
  if (hasText(because)) return text(because, values);
  if (hasText(`error.${code}`)) return text(`error.${code}`, values);
  if (status === 503) return text("error.SERVICE_UNAVAILABLE");
  return thrown.message || text("error.unexpected");
}
