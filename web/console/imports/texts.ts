export const de = {
  nav: "CSV einspielen", title: "Fahrzeuge einspielen", steps: "Schritte", file: "Datei", columns: "Spalten", check: "Prüfen", done: "Fertig",
  choose: "CSV-Datei wählen", drop: "oder hierher ziehen. Bis 10 MB und 50.000 Zeilen, Komma oder Semikolon.", sample: "Beispieldatei", rows_one: "{{count}} Zeile", rows_other: "{{count}} Zeilen",
  mapTitle: "Welche Spalte ist was?", mapText: "Erkannte Namen sind schon zugeordnet.", nothing: "nicht einspielen", required: "nötig", first: "Erste Werte", mode: "Was mit Kennungen geschieht",
  modes: { create: "Nur neue Fahrzeuge anlegen", update: "Nur vorhandene ändern", upsert: "Neue anlegen, vorhandene ändern" }, back: "Zurück", next: "Weiter", dryRun: "Probelauf", apply: "Einspielen",
  checking: "Wird geprüft … {{done}} von {{total}}", writing: "Wird eingespielt … {{done}} von {{total}}", valid_one: "{{count}} Zeile ist in Ordnung", valid_other: "{{count}} Zeilen sind in Ordnung", problems_one: "{{count}} Problem", problems_other: "{{count}} Probleme",
  row: "Zeile", column: "Spalte", problem: "Problem", fix: "Bitte in der Datei berichtigen und neu wählen. Solange etwas nicht stimmt, wird nichts eingespielt.", created_one: "{{count}} Fahrzeug angelegt", created_other: "{{count}} Fahrzeuge angelegt", updated_one: "{{count}} geändert", updated_other: "{{count}} geändert",
  toFleet: "Zur Flotte", again: "Weitere Datei", undo: "Zurücknehmen", missing: "Es fehlt: {{names}}", report: "Bericht als CSV", empty: "Die Datei hat keine Zeilen.", tooLarge: "Die Datei ist größer als 10 MB.", failed: "Es wurde nichts eingespielt.", same: "Das Feld „{{name}}“ ist zweimal zugeordnet.",
  field: { identifier: "Kennung", vehicle_type: "Art", model: "Modell", brand: "Marke", category: "Kategorie", license_plate: "Kennzeichen", qr_code: "QR-Code", external_id: "Fremde Nummer", latitude: "Breite", longitude: "Länge" },
};
export const en: typeof de = {
  nav: "Import CSV", title: "Import vehicles", steps: "Steps", file: "File", columns: "Columns", check: "Check", done: "Done",
  choose: "Choose a CSV file", drop: "or drop it here. Up to 10 MB and 50,000 rows, comma or semicolon.", sample: "Sample file", rows_one: "{{count}} row", rows_other: "{{count}} rows",
  mapTitle: "Which column is what?", mapText: "Names that were recognised are mapped already.", nothing: "do not import", required: "needed", first: "First values", mode: "What happens to identifiers",
  modes: { create: "Only create new vehicles", update: "Only change existing ones", upsert: "Create new ones, change existing ones" }, back: "Back", next: "Next", dryRun: "Dry run", apply: "Import",
  checking: "Checking … {{done}} of {{total}}", writing: "Importing … {{done}} of {{total}}", valid_one: "{{count}} row is fine", valid_other: "{{count}} rows are fine", problems_one: "{{count}} problem", problems_other: "{{count}} problems",
  row: "Row", column: "Column", problem: "Problem", fix: "Please mend the file and choose it again. Nothing is imported while anything is wrong.", created_one: "{{count}} vehicle created", created_other: "{{count}} vehicles created", updated_one: "{{count}} changed", updated_other: "{{count}} changed",
  toFleet: "To the fleet", again: "Another file", undo: "Take back", missing: "Missing: {{names}}", report: "Report as CSV", empty: "The file has no rows.", tooLarge: "The file is larger than 10 MB.", failed: "Nothing was imported.", same: "The field “{{name}}” is mapped twice.",
  field: { identifier: "Identifier", vehicle_type: "Type", model: "Model", brand: "Brand", category: "Category", license_plate: "Licence plate", qr_code: "QR code", external_id: "External id", latitude: "Latitude", longitude: "Longitude" },
};
