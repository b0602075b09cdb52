// A spreadsheet's file taken apart, its columns matched to ours, and put together again for the platform.
import { csvOf } from "../parts/csv";

export const FIELDS = ["identifier", "vehicle_type", "model", "brand", "category", "license_plate", "qr_code", "external_id", "latitude", "longitude"] as const;
export type Field = (typeof FIELDS)[number];
export const NEEDED: readonly Field[] = ["identifier", "vehicle_type", "model", "brand"];

/** The platform wants to see these in the header, with or without anything in them. */
const IN_HEADER: readonly Field[] = ["identifier", "model", "brand", "license_plate", "qr_code"];

export interface Sheet {
  header: string[];
  rows: string[][];
}

/** What separates the cells: of those in the first line, outside of quotes, the most frequent. */
function separatorOf(text: string): string {
  const line = text.slice(0, text.search(/\r?\n|$/)).replaceAll(/"[^"]*"/g, "");
  return [",", ";", "\t"].reduce((best, each) => (line.split(each).length > line.split(best).length ? each : best));
}

/** RFC 4180, with whatever separator; lines that are empty are left out. */
export function sheetOf(file: string): Sheet {
  const text = file.replace(/^\uFEFF/, "");
  const separator = separatorOf(text);
  const rows: string[][] = [];
  let [row, cell, quoted] = [[] as string[], "", false];
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0] !== "") rows.push(row);
    [row, cell] = [[], ""];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += '"'; i += 1; }
      else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === separator) { row.push(cell); cell = ""; }
    else if (c === "\n") endRow();
    else if (c !== "\r") cell += c;
  }
  if (cell !== "" || row.length > 0) endRow();
  const [header = [], ...rest] = rows;
  return { header: header.map((name) => name.trim()), rows: rest };
}

/** Names that other systems and spreadsheets give our columns. */
const ALSO: Record<Field, string[]> = {
  identifier: ["kennung", "id", "vehicleid", "name", "number", "nummer", "fahrzeug", "code"],
  vehicle_type: ["type", "typ", "art", "kind", "fahrzeugtyp", "fahrzeugart", "vehicletype"],
  model: ["modell"],
  brand: ["marke", "make", "manufacturer", "hersteller"],
  category: ["kategorie", "class", "klasse"],
  license_plate: ["plate", "kennzeichen", "licenceplate", "licenseplate", "registration"],
  qr_code: ["qr", "qrcode"],
  external_id: ["externalid", "extern", "external", "imei"],
  latitude: ["lat", "breite", "breitengrad"],
  longitude: ["lon", "lng", "long", "lange", "langengrad"],
};
const plain = (name: string) => name.toLowerCase().normalize("NFD").replaceAll(/[^a-z0-9]/g, "");

/** For each column of the file the field that its name speaks of, each field at most once. */
export function guessed(header: readonly string[]): (Field | "")[] {
  const taken = new Set<Field>();
  return header.map((name) => {
    const found = FIELDS.find((field) => !taken.has(field) && (plain(field) === plain(name) || ALSO[field].includes(plain(name))));
    if (found) taken.add(found);
    return found ?? "";
  });
}

/** Words that people write for our types of vehicles. */
const TYPES: Record<string, string> = {
  scooter: "scooter", escooter: "scooter", kickscooter: "scooter", roller: "scooter", eroller: "scooter", tretroller: "scooter",
  ebike: "ebike", bike: "ebike", rad: "ebike", fahrrad: "ebike", pedelec: "ebike", car: "car", auto: "car", pkw: "car", van: "van", transporter: "van", kastenwagen: "van",
};

/** The file as the platform wants it; decimals with a comma become decimals. */
export function rewritten(sheet: Sheet, mapping: readonly (Field | "")[]): string {
  const used = [
    ...mapping.map((field, at) => ({ field, at })).filter((each) => each.field !== ""),
    ...IN_HEADER.filter((field) => !mapping.includes(field)).map((field) => ({ field, at: -1 })),
  ];
  const cell = (field: Field | "", value: string) => {
    const text = value.trim();
    if (field === "vehicle_type") return TYPES[plain(text)] ?? text;
    if (field === "latitude" || field === "longitude") return text.replace(/^(-?\d+),(\d+)$/, "$1.$2");
    return text;
  };
  // Cells are passed as they are: a leading apostrophe that disarms a formula is taken off by the platform.
  return csvOf([used.map((each) => each.field), ...sheet.rows.map((row) => used.map((each) => cell(each.field, row[each.at] ?? "")))]);
}
