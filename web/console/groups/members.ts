// Which vehicles a file or a typed list means.
import { guessed, sheetOf } from "../imports/csv";
import type { Fleet } from "../fleet/columns";

/** A table's column of identifiers (its first where none is called so), or everything between commas and line ends. */
export function namesIn(text: string): string[] {
  const sheet = sheetOf(text);
  const column = guessed(sheet.header).indexOf("identifier");
  const isTable = column >= 0 && sheet.rows.length > 0;
  const found = isTable ? sheet.rows.map((row) => row[column] ?? "") : text.replace(/^\uFEFF/, "").split(/[\s,;]+/);
  return [...new Set(found.map((name) => name.trim().replace(/^["']|["']$/g, "")).filter(Boolean))];
}

export interface Meant {
  ids: string[];
  unknown: string[];
}

/** By identifier, in whatever case, or by id. */
export function meant(fleet: Fleet, names: readonly string[]): Meant {
  const byName = new Map<string, string>();
  for (let i = 0; i < fleet.count; i++) byName.set(fleet.identifier[i]!.toLowerCase(), fleet.id[i]!);
  const result: Meant = { ids: [], unknown: [] };
  for (const name of names) {
    const id = fleet.place.has(name) ? name : byName.get(name.toLowerCase());
    if (id) result.ids.push(id);
    else result.unknown.push(name);
  }
  return result;
}
