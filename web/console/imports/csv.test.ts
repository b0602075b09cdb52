import { expect, test } from "vitest";
import { guessed, rewritten, sheetOf } from "./csv";

test("takes apart what spreadsheets write", () => {
  const sheet = sheetOf('\uFEFFKennung;Typ;"Modell; lang"\r\nSC1;Roller;"ES ""4"""\r\n\r\nSC2;Auto;"zwei\nZeilen"\r\n');
  expect(sheet.header).toEqual(["Kennung", "Typ", "Modell; lang"]);
  expect(sheet.rows).toEqual([["SC1", "Roller", 'ES "4"'], ["SC2", "Auto", "zwei\nZeilen"]]);
});

test("a separator within quotes does not count", () => {
  expect(sheetOf('"a;b;c",d\n1,2').header).toEqual(["a;b;c", "d"]);
});

test("knows columns by the names others give them, each once", () => {
  expect(guessed(["Kennung", "TYPE", "Hersteller", "Länge", "lat", "id", "colour"])).toEqual(["identifier", "vehicle_type", "brand", "longitude", "latitude", "", ""]);
});

test("writes what the platform reads", () => {
  const sheet = sheetOf("Nummer;Art;Breite;Farbe\nA1;E-Scooter;52,5;rot\nA2;Pkw;;blau");
  expect(rewritten(sheet, guessed(sheet.header))).toBe(
    '"identifier","vehicle_type","latitude","model","brand","license_plate","qr_code"\r\n"A1","scooter","52.5","","","",""\r\n"A2","car","","","","",""\r\n',
  );
});
