export const de = {
  nav: "Ansichten", none: "Noch keine Ansicht gemerkt", shared: "Vom Team", save: "Diese Ansicht merken", tidy: "Ansichten verwalten", name: "Name", nameHint: "Filter und Ordnung dieser Liste unter einem Namen. Derselbe Name ersetzt.",
  share: "Dem ganzen Team zeigen", shareShort: "Team", saved: "Ansicht „{{name}}“ gemerkt", gone: "Ansicht „{{name}}“ gelöscht", drop: "„{{name}}“ löschen", whose: "Von",
  takeOver_one: "Eine Ansicht aus diesem Browser übernehmen", takeOver_other: "{{count}} Ansichten aus diesem Browser übernehmen", tookOver_one: "Eine Ansicht übernommen", tookOver_other: "{{count}} Ansichten übernommen",
};
export const en: typeof de = {
  nav: "Views", none: "No view saved yet", shared: "Of the team", save: "Save this view", tidy: "Manage views", name: "Name", nameHint: "Filters and order of this list under a name. The same name replaces.",
  share: "Show it to the whole team", shareShort: "Team", saved: "View “{{name}}” saved", gone: "View “{{name}}” deleted", drop: "Delete “{{name}}”", whose: "By",
  takeOver_one: "Take over one view of this browser", takeOver_other: "Take over {{count}} views of this browser", tookOver_one: "One view taken over", tookOver_other: "{{count}} views taken over",
};
