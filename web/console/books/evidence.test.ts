import { expect, test } from "vitest";
import { fileNameOf, tooLarge } from "./evidence";

test("names of files become ones that gateways take, with their ending", () => {
  const taken = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/;
  for (const [name, is] of [["Parkplatz Straße (2).jpg", "Parkplatz Strasse -2-.jpg"], ["über.png", "uber.png"], ["..\\..\\x.pdf", "x.pdf"], ["スクーター.jpg", "jpg"], ["", "file"]] as const) {
    expect(fileNameOf(name)).toBe(is);
    expect(fileNameOf(name)).toMatch(taken);
  }
  const long = fileNameOf(`${"a".repeat(200)}.jpeg`);
  expect([long.length, long.endsWith(".jpeg")]).toEqual([100, true]);
});

test("a megabyte is what gateways take", () => {
  expect([tooLarge(1_048_576), tooLarge(1_048_577)]).toEqual([false, true]);
});
