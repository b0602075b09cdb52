export const de = {
  nav: "Gruppen", title: "Gruppen", list: "Gruppen von Fahrzeugen", add: "Neue Gruppe", name: "Name", description: "Beschreibung", vehicles: "Fahrzeuge", created: "Angelegt", saved: "Gruppe gespeichert", rename: "Bearbeiten",
  none: "Noch keine Gruppe", noneText: "Ein Depot, ein Versuch, eine Serie: ein Fahrzeug kann in mehreren Gruppen sein. Gruppen filtern die Flotte und begrenzen Rollen.",
  deleted: "Gruppe gelöscht: {{name}}", deleteTitle: "{{name}} löschen?", deleteText_zero: "Es ist kein Fahrzeug darin.", deleteText_one: "Ein Fahrzeug ist darin; es bleibt, nur die Gruppe geht.", deleteText_other: "{{count}} Fahrzeuge sind darin; sie bleiben, nur die Gruppe geht.",
  show: "In der Flotte zeigen", byStatus: "Wie es ihnen geht", act: "Mit allen zusammen", actText: "Gilt für jedes Fahrzeug der Gruppe. Zehn Sekunden lang lässt es sich zurücknehmen.", members: "Wer dazugehört",
  membersText: "In der Flotte auswählen oder mit der Hand umranden, dann „In Gruppe“. Oder hier als CSV: eine Kennung je Zeile, oder eine Tabelle mit einer Spalte „Kennung“.",
  file: "CSV wählen", typed: "Kennungen", typedHint: "BER-0001, BER-0002 …", found: "{{known}} gefunden", unknown_one: "Nicht gefunden: {{names}}", unknown_other: "{{count}} nicht gefunden: {{names}}", join: "Aufnehmen", leave: "Herausnehmen", joined_one: "{{count}} Fahrzeug aufgenommen", joined_other: "{{count}} Fahrzeuge aufgenommen", left_one: "{{count}} Fahrzeug herausgenommen", left_other: "{{count}} Fahrzeuge herausgenommen",
  empty: "Noch niemand darin", notFound: "Diese Gruppe gibt es nicht",
};
export const en: typeof de = {
  nav: "Groups", title: "Groups", list: "Groups of vehicles", add: "New group", name: "Name", description: "Description", vehicles: "Vehicles", created: "Created", saved: "Group saved", rename: "Edit",
  none: "No group yet", noneText: "A depot, a trial, a series: a vehicle can be in several groups. Groups filter the fleet and limit roles.",
  deleted: "Group deleted: {{name}}", deleteTitle: "Delete {{name}}?", deleteText_zero: "No vehicle is in it.", deleteText_one: "One vehicle is in it; it stays, only the group goes.", deleteText_other: "{{count}} vehicles are in it; they stay, only the group goes.",
  show: "Show in the fleet", byStatus: "How they are", act: "With all of them", actText: "Holds for every vehicle of the group. For ten seconds it can be taken back.", members: "Who belongs to it",
  membersText: "Select vehicles in the fleet or draw around them, then “To group”. Or here as CSV: one identifier a line, or a table with a column “identifier”.",
  file: "Choose CSV", typed: "Identifiers", typedHint: "BER-0001, BER-0002 …", found: "{{known}} found", unknown_one: "Not found: {{names}}", unknown_other: "{{count}} not found: {{names}}", join: "Add", leave: "Take out", joined_one: "{{count}} vehicle added", joined_other: "{{count}} vehicles added", left_one: "{{count}} vehicle taken out", left_other: "{{count}} vehicles taken out",
  empty: "Nobody in it yet", notFound: "There is no such group",
};
