export const de = {
  nav: "Wartung", title: "Wartung", board: "Tafel", due: "Ausfallzeit", new: "Neues Ticket", vehicle: "Fahrzeug", kindLabel: "Art", severityLabel: "Dringlichkeit", description: "Beschreibung", assignee: "Zuständig", mine: "Zuständig",
  kind: { service: "Service", brakes: "Bremsen", lights: "Licht", tyre: "Reifen", battery: "Akku", lock: "Schloss", damage: "Schaden", other: "Sonstiges" },
  severity: { low: "Niedrig", normal: "Normal", high: "Hoch", safety: "Sicherheit", auto: "Je nach Art" },
  state: { open: "Offen", assigned: "Zugeteilt", in_progress: "In Arbeit", done: "Fertig", cancelled: "Abgebrochen" },
  source: { due: "Fällig", rider: "Kunde", alert: "Alarm", staff: "Personal" }, sourceLabel: "Woher", opened: "Ticket geöffnet", moved: "{{name}}: {{state}}",
  start: "Beginnen", assign: "Zuteilen", complete: "Abschließen", cancelTicket: "Abbrechen", reopen: "Wieder öffnen", resolution: "Was wurde gemacht?", labour: "Arbeit (Minuten)", rate: "Stundensatz", cost: "Kosten", parts: "Teile", part: "Teil", quantity: "Anzahl", unitCost: "Stückpreis", addPart: "Teil hinzufügen",
  reports: "Meldungen von Kunden", unsafe: "nicht sicher", done: "Ticket abgeschlossen", since: "Geöffnet", none: "Nichts hier", all: "Alle", reportsCount_one: "{{count}} Meldung", reportsCount_other: "{{count}} Meldungen", filterKind: "Alle Arten",
  closedShown: "Zuletzt fertig", saved: "Gespeichert", openAll_one: "{{count}} offenes Ticket", openAll_other: "{{count}} offene Tickets", outOf: "Außer Betrieb, solange offen", person: "Name", assignTo: "Wem zuteilen?",
};
export const en: typeof de = {
  nav: "Maintenance", title: "Maintenance", board: "Board", due: "Down-time", new: "New ticket", vehicle: "Vehicle", kindLabel: "Kind", severityLabel: "Severity", description: "Description", assignee: "Assignee", mine: "Assignee",
  kind: { service: "Service", brakes: "Brakes", lights: "Lights", tyre: "Tyre", battery: "Battery", lock: "Lock", damage: "Damage", other: "Other" },
  severity: { low: "Low", normal: "Normal", high: "High", safety: "Safety", auto: "As usual for its kind" },
  state: { open: "Open", assigned: "Assigned", in_progress: "In progress", done: "Done", cancelled: "Cancelled" },
  source: { due: "Due", rider: "Rider", alert: "Alert", staff: "Staff" }, sourceLabel: "Source", opened: "Ticket opened", moved: "{{name}}: {{state}}",
  start: "Start", assign: "Assign", complete: "Complete", cancelTicket: "Cancel ticket", reopen: "Reopen", resolution: "What was done?", labour: "Labour (minutes)", rate: "Rate per hour", cost: "Cost", parts: "Parts", part: "Part", quantity: "Quantity", unitCost: "Unit cost", addPart: "Add part",
  reports: "Reports by riders", unsafe: "unsafe", done: "Ticket completed", since: "Opened", none: "Nothing here", all: "All", reportsCount_one: "{{count}} report", reportsCount_other: "{{count}} reports", filterKind: "All kinds",
  closedShown: "Recently done", saved: "Saved", openAll_one: "{{count}} open ticket", openAll_other: "{{count}} open tickets", outOf: "Out of service while open", person: "Name", assignTo: "Assign to whom?",
};
