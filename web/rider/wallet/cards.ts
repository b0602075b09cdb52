// The sandbox's cards. A real gateway's form is the gateway's own: card numbers never reach us, and
// these numbers are not real either: each stands for one of the sandbox's tokens.
const TOKENS: Record<string, string> = {
  "4242424242424242": "tok_visa",
  "5555555555554444": "tok_mastercard",
  "378282246310005": "tok_amex",
  "4000000000000002": "tok_chargeDeclined",
  "4000000000009995": "tok_insufficientFunds",
  "4000000000000069": "tok_expiredCard",
  "4000002500003155": "tok_threeDSecure",
  "4000008400001629": "tok_threeDSecureFails",
  "4000000000000127": "tok_setupDeclined",
};

const digits = (text: string): string => text.replace(/\D/g, "");

/** The check digit of card numbers (ISO/IEC 7812). */
export function isCardNumber(text: string): boolean {
  const all = digits(text);
  if (all.length < 13 || all.length > 19) return false;
  const sum = [...all].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** The sandbox's token for a test number; null for a number that is none of its own. */
export const sandboxToken = (text: string): string | null => TOKENS[digits(text)] ?? null;

export const grouped = (text: string): string => digits(text).slice(0, 19).replace(/(.{4})(?=.)/g, "$1 ");

export function isExpiry(text: string, now = new Date()): boolean {
  const match = /^(0[1-9]|1[0-2])\s*\/\s*(\d{2})$/.exec(text.trim());
  if (!match) return false;
  return new Date(2000 + Number(match[2]), Number(match[1]), 1) > now;
}
