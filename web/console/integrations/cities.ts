// Which zones a city's policy made: a zone says by its external id of which policy, rule and geography it is.
import type { Schema } from "@lib/api/client";

export type Zone = Schema<"ZoneRow">;

export function zonesOf(zones: readonly Zone[], policy: string, rule: string): Zone[] {
  return zones.filter((zone) => zone.properties.external_id?.startsWith(`${policy}/${rule}/`));
}
