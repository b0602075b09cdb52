// Files of the API that need the token: a link cannot carry it.
import { sendRequest } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { toast } from "@lib/toast";
import { saveFile } from "../parts/csv";
import { textOf } from "../shell/place";
import type { FleetFilter } from "./filter";

export async function blobOf(path: string): Promise<Blob> {
  const answer = await sendRequest(new Request(path));
  if (!answer.ok) throw await problemOf(answer);
  return answer.blob();
}

export async function exportFleet(filter: FleetFilter): Promise<void> {
  try {
    const one = <T,>(all: readonly T[]) => (all.length === 1 ? all[0] : undefined);
    const query = { type: one(filter.types), status: one(filter.statuses), group: filter.group, box: filter.box?.join(",") };
    saveFile("fleet.csv", await blobOf(`/api/v1/vehicles.csv${textOf(query)}`));
  } catch (error) {
    toast.bad(error);
  }
}

/** So many ids stand in one question (the platform takes 10,000 characters). */
const AT_ONCE = 350;

/** Labels with QR codes as pages to print, of these vehicles. */
export async function saveLabels(ids: readonly string[]): Promise<void> {
  try {
    for (let n = 0; n < ids.length; n += AT_ONCE) {
      const body = await blobOf(`/api/v1/fleet/labels${textOf({ vehicles: ids.slice(n, n + AT_ONCE).join(",") })}`);
      saveFile(ids.length > AT_ONCE ? `labels-${n / AT_ONCE + 1}.html` : "labels.html", body, "text/html");
    }
  } catch (error) {
    toast.bad(error);
  }
}
