import { expect, test } from "vitest";
import { fitting } from "./fitting";

const line = { amount: 12.5, text: "RE 0350QLFENQ3U1 YMJQLSZ94XX danke", end_to_end_id: null };
const debt = (payment_id: string, amount: number) => ({ payment_id, amount });
const names = (d: { payment_id: string }) => [d.payment_id];

test("what the text names comes first, then the same amount, and nothing else", () => {
  const named = debt("pay_0350qlFENQ3U1YMjQLSZ94", 30);
  const same = debt("pay_other00000000000000001", 12.5);
  expect(fitting(line, [debt("pay_no", 12.49), same, named], names)).toEqual([named, same]);
});

test("money that went out fits what is as large", () => {
  expect(fitting({ amount: -7.1, text: "", end_to_end_id: "RF12" }, [debt("a_RF12", 1), debt("b_x9", 7.1)], names).map((d) => d.payment_id)).toEqual(["a_RF12", "b_x9"]);
});

test("at most five are offered", () => {
  expect(fitting(line, Array.from({ length: 9 }, (_, i) => debt(`pay_zz${i}`, 12.5)), names)).toHaveLength(5);
});
