// What changes something: does it, says so, and has what it touched asked for again.
import { queries } from "@lib/Frame";
import { toast } from "@lib/toast";

/** All lists and things whose key begins with one of these are asked for again. */
export const refresh = (...keys: string[]): Promise<unknown> =>
  Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })));

/** Does it at once; an error is a toast. `undo` makes the message carry the way back. */
export async function deed(keys: string[], done: string, run: () => Promise<unknown>, undo?: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
  } catch (error) {
    toast.bad(error);
    return false;
  }
  await refresh(...keys);
  if (undo)
    toast.undoable(done, async () => {
      await undo();
      await refresh(...keys);
    });
  else toast.good(done);
  return true;
}
