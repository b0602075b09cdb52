export const de = {
  nav: "Protokoll", title: "Protokoll", list: "Wer hat was getan", at: "Wann", actor: "Wer", action: "Was", subject: "Woran", outcome: "Ergebnis", address: "Adresse", request: "Anfrage", roles: "Rollen",
  actorFilter: "Person (usr_…)", actionFilter: "Tat, z. B. payments.", subjectFilter: "Woran (Nummer)", from: "Von", to: "Bis", outcomes: { all: "Alles", done: "Getan", seen: "Angesehen", begun: "Abgebrochen", password: "Mit Passwort", passkey: "Mit Passkey", sso: "Über die Organisation", link: "Mit Link" },
  none: "Nichts gefunden", noneText: "Weniger Filter zeigen mehr.", csv: "CSV", ndjson: "NDJSON", export: "Ausgeben", exported: "Das Ausgeben steht nun selbst im Protokoll.",
  verify: "Unverändert?", holds: "Die Kette ist ganz: nichts wurde verändert oder entfernt.", broken: "Die Kette ist gebrochen, zuerst bei Zeile {{row}}.", entry: "Eintrag", before: "Vorher", after: "Nachher", field: "Feld", detail: "Einzelheiten", seq: "Nummer in der Kette", notYet: "noch nicht",
};
export const en: typeof de = {
  nav: "Audit log", title: "Audit log", list: "Who did what", at: "When", actor: "Who", action: "What", subject: "To what", outcome: "Outcome", address: "Address", request: "Request", roles: "Roles",
  actorFilter: "Person (usr_…)", actionFilter: "Deed, e.g. payments.", subjectFilter: "To what (number)", from: "From", to: "To", outcomes: { all: "Everything", done: "Done", seen: "Seen", begun: "Broken off", password: "By password", passkey: "By passkey", sso: "By the organisation", link: "By link" },
  none: "Nothing found", noneText: "Fewer filters show more.", csv: "CSV", ndjson: "NDJSON", export: "Export", exported: "That it was exported now stands in the log itself.",
  verify: "Unaltered?", holds: "The chain is whole: nothing was altered or removed.", broken: "The chain is broken, first at row {{row}}.", entry: "Entry", before: "Before", after: "After", field: "Field", detail: "Details", seq: "Number in the chain", notYet: "not yet",
};
