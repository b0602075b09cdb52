// Files that the API makes: fetched with who we are, handed to the browser.
import { sendRequest } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { saveFile } from "../parts/csv";

/** Raises `ApiProblem`. */
export async function saveAnswer(path: string, name: string): Promise<void> {
  const answer = await sendRequest(new Request(new URL(path, location.origin)));
  if (!answer.ok) throw await problemOf(answer);
  saveFile(name, await answer.blob(), answer.headers.get("content-type") ?? "application/octet-stream");
}
