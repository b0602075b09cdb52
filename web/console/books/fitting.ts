// What a line of the bank may be for.
interface Line {
  amount: number;
  text: string;
  end_to_end_id: string | null;
}

const MOST = 5;
const bare = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");

/**
 * Of several things with an amount those that fit the line: first what its text names (banks break and
 * capitalise what was written there), then what is exactly as much. Five at most.
 */
export function fitting<Thing extends { amount: number }>(line: Line, things: readonly Thing[], namesOf: (thing: Thing) => readonly string[]): Thing[] {
  const said = bare(`${line.text} ${line.end_to_end_id ?? ""}`);
  const isNamed = (thing: Thing) => namesOf(thing).some((name) => said.includes(bare(name.replace(/^[a-z]+_/, ""))));
  const cents = (amount: number) => Math.round(Math.abs(amount) * 100);
  const fit = things.filter((thing) => isNamed(thing) || cents(thing.amount) === cents(line.amount));
  return fit.sort((a, b) => Number(isNamed(b)) - Number(isNamed(a))).slice(0, MOST);
}
