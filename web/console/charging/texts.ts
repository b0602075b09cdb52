export const de = {
  nav: "Laden", title: "Laden und Akkutausch", plan: "Tour planen", plans: "Touren", kind: { swap: "Akkus tauschen", charge: "Einsammeln und laden" }, kindLabel: "Was", types: "Fahrzeugarten", capacity: "Akkus im Wagen", below: "Akkustand unter", radius: "Umkreis (km)", stops: "Höchstens Halte", start: "Start: auf der Karte setzen oder ziehen", round: "Zurück zum Start",
  latitude: "Breite", longitude: "Länge", made: "Tour mit {{count}} Halten geplant", state: { open: "Offen", done: "Fertig", cancelled: "Abgebrochen", expired: "Verfallen" }, progress: "{{done}} von {{total}}", length: "{{distance}}, etwa {{minutes}}",
  none: "Noch keine Tour", noneText: "Eine Tour nimmt die leersten Fahrzeuge mit der größten Nachfrage und legt den kürzesten Weg.", stop: "Halt {{n}}", stopDone: "Erledigt", skip: "Auslassen", skipWhy: "Warum?", cancelPlan: "Tour abbrechen", cancelled: "Tour abgebrochen", level: "Neuer Stand",
  map: "Karte der Tour", battery: "Akku", priority: "Vorrang", by: "Angelegt {{when}}", back: "Alle Touren", stopState: { open: "Offen", done: "Erledigt", skipped: "Ausgelassen" }, nothing: "Kein Fahrzeug braucht gerade Strom.", list: "Halte der Tour",
};
export const en: typeof de = {
  nav: "Charging", title: "Charging and swaps", plan: "Plan a tour", plans: "Tours", kind: { swap: "Swap batteries", charge: "Collect and charge" }, kindLabel: "What", types: "Vehicle types", capacity: "Batteries in the van", below: "Battery below", radius: "Radius (km)", stops: "Stops at most", start: "Start: click or drag on the map", round: "Back to the start",
  latitude: "Latitude", longitude: "Longitude", made: "Tour with {{count}} stops planned", state: { open: "Open", done: "Done", cancelled: "Cancelled", expired: "Expired" }, progress: "{{done}} of {{total}}", length: "{{distance}}, about {{minutes}}",
  none: "No tour yet", noneText: "A tour takes the emptiest vehicles with the most demand and finds the shortest way.", stop: "Stop {{n}}", stopDone: "Done", skip: "Skip", skipWhy: "Why?", cancelPlan: "Cancel tour", cancelled: "Tour cancelled", level: "New level",
  map: "Map of the tour", battery: "Battery", priority: "Priority", by: "Made {{when}}", back: "All tours", stopState: { open: "Open", done: "Done", skipped: "Skipped" }, nothing: "No vehicle needs power at the moment.", list: "Stops of the tour",
};
