// Rights by the room they belong to.
import type { Schema } from "@lib/api/client";

type Permission = Pick<Schema<"PermissionView">, "name" | "about" | "endpoints">;

/** Does a role with these permissions, of which some are wildcards (`fleet.*`, `*`), hold this one? */
export function holds(permissions: readonly string[], name: string): boolean {
  const room = name.split(".")[0] ?? "";
  return permissions.includes(name) || permissions.includes(`${room}.*`) || permissions.includes("*");
}

/** By room, in order; only those that the text occurs in. */
export function byRoom<P extends Permission>(all: readonly P[], text: string): [room: string, P[]][] {
  const wanted = text.trim().toLowerCase();
  const found = all.filter((p) => [p.name, ...p.about, ...p.endpoints].some((each) => each.toLowerCase().includes(wanted)));
  const rooms = new Map<string, P[]>();
  for (const p of found) {
    const room = p.name.split(".")[0] ?? "";
    rooms.set(room, [...(rooms.get(room) ?? []), p]);
  }
  return [...rooms];
}
