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
