import { masked } from "@lib/format";
import { beforeEach, expect, test } from "vitest";
import { codeIn, typedCode } from "./scan/code";
import { saidBy } from "./scan/tag";
import { chosen, type Booking } from "./trip/current";
import { enqueue, waiting } from "./trip/queue";
import { speedNow, type Ride } from "./trip/speed";
import { bytesOf } from "./trip/upload";
import { grouped, isCardNumber, isExpiry, sandboxToken } from "./wallet/cards";

beforeEach(() => localStorage.clear());

test("codes are read from addresses, letters and small letters", () => {
  expect(codeIn("https://mobility.example/v/SC-0042")).toBe("SC-0042");
  expect(codeIn("https://mobility.example/app/?v=sco_1")).toBe("sco_1");
  expect(codeIn("  SC-0042 ")).toBe("SC-0042");
  expect(typedCode("sc 117")).toBe("SC117");
  expect(typedCode("sco_aBc")).toBe("sco_aBc");
});

test("a tag says its first address or text", () => {
  const said = (recordType: string, text: string) => ({ recordType, data: new DataView(new TextEncoder().encode(text).buffer) });
  expect(saidBy([said("mime", "{}"), { recordType: "empty" }, said("url", "https://mobility.example/v/SC-0042"), said("text", "SC117")])).toBe("https://mobility.example/v/SC-0042");
  expect(saidBy([said("text", " SC117 ")])).toBe("SC117");
  expect(saidBy([{ recordType: "text", encoding: "utf-16le", data: new DataView(new Uint16Array([83, 67]).buffer) }])).toBe("SC");
  expect(saidBy([said("mime", "SC117"), said("text", "  ")])).toBe("");
});

test("card numbers are checked, and only the sandbox's are taken", () => {
  expect(isCardNumber("4242 4242 4242 4242")).toBe(true);
  expect(isCardNumber("4242 4242 4242 4241")).toBe(false);
  expect(isCardNumber("42")).toBe(false);
  expect(sandboxToken("4000 0000 0000 0002")).toBe("tok_chargeDeclined");
  expect(sandboxToken("4111 1111 1111 1111")).toBeNull();
  expect(grouped("42424242x4242")).toBe("4242 4242 4242");
  const now = new Date(2026, 10, 20);
  expect(["11/26", "10/26", "13/27", "1/27"].map((each) => isExpiry(each, now))).toEqual([true, false, false, false]);
  expect(masked("Visa ending in 4242")).toBe("Visa •••• 4242");
  expect(masked(null)).toBe("–");
});

const booking = (id: string, status: string) => ({ id, status }) as Booking;
test("the ride under way comes before what is only reserved", () => {
  expect(chosen([booking("a", "cancelled"), booking("b", "pending"), booking("c", "in_progress")])?.id).toBe("c");
  expect(chosen([booking("a", "pending"), booking("b", "pending")])?.id).toBe("a");
  expect(chosen([booking("a", "completed")])).toBeNull();
});

test("what waits for the network is kept once for each ride", () => {
  enqueue({ kind: "end", rental: "r1", key: "k1", place: null, photo: null });
  enqueue({ kind: "end", rental: "r1", key: "k2", place: null, photo: null });
  enqueue({ kind: "photo", rental: "r1", photo: "data:image/jpeg;base64,AA==" });
  expect(waiting().map((each) => each.kind)).toEqual(["end", "photo"]);
  expect([...bytesOf("data:image/jpeg;base64,AAE=")]).toEqual([0, 1]);
});

test("the speed is that of now while the vehicle speaks, else the average", () => {
  const at = (s: number) => new Date(1_000_000 + s * 1_000).toISOString();
  const ride = {
    average_speed: 9,
    route: [{ latitude: 52.5, longitude: 13.4, timestamp: at(0) }, { latitude: 52.5005, longitude: 13.4, timestamp: at(10) }],
  } as Ride;
  expect(speedNow(ride, 1_000_000 + 12_000)).toBeCloseTo(20, 0);
  expect(speedNow(ride, 1_000_000 + 90_000)).toBe(9);
  expect(speedNow(null, 0)).toBe(0);
});
