export const de = {
  nav: "Übersicht", title: "Übersicht", onStreet: "Fahrzeuge im Betrieb", outOf: "von {{count}}", ofFleet: "{{share}} der Flotte", riding: "Fahrten jetzt", revenue: "Umsatz heute", rides: "Fahrten insgesamt",
  alerts: "Offene Alarme", critical_one: "{{count}} kritisch", critical_other: "{{count}} kritisch", tickets: "Offene Tickets", safety_one: "{{count}} sicherheitsrelevant", safety_other: "{{count}} sicherheitsrelevant",
  byStatus: "Flotte nach Status", byBattery: "Akkustände in Prozent", byDay: "Umsatz der letzten 7 Tage", latest: "Neueste Alarme", quiet: "Alles ruhig", quietText: "Kein offener Alarm.", all: "Alle Alarme",
  yesterday: "gestern {{value}}", availability: "Verfügbar", toMap: "Zur Karte", byType: "Nach Art", batteryLow_one: "{{count}} unter 20 %", batteryLow_other: "{{count}} unter 20 %", planCharging: "Tour planen", unknown: "unbekannt", total: "7 Tage: {{value}}",
};
export const en: typeof de = {
  nav: "Overview", title: "Overview", onStreet: "Vehicles in service", outOf: "of {{count}}", ofFleet: "{{share}} of the fleet", riding: "Rides now", revenue: "Revenue today", rides: "Rides in all",
  alerts: "Open alerts", critical_one: "{{count}} critical", critical_other: "{{count}} critical", tickets: "Open tickets", safety_one: "{{count}} about safety", safety_other: "{{count}} about safety",
  byStatus: "Fleet by status", byBattery: "Battery levels in percent", byDay: "Revenue of the last 7 days", latest: "Latest alerts", quiet: "All quiet", quietText: "There is no open alert.", all: "All alerts",
  yesterday: "yesterday {{value}}", availability: "Available", toMap: "To the map", byType: "By type", batteryLow_one: "{{count}} below 20 %", batteryLow_other: "{{count}} below 20 %", planCharging: "Plan a tour", unknown: "unknown", total: "7 days: {{value}}",
};
