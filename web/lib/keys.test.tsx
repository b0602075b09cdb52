import { cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { keysNow, useKeys, type Key } from "./keys";

function Page({ keys }: { keys: Key[] }) {
  useKeys(keys);
  return <input aria-label="words" />;
}
afterEach(cleanup);

test("single keys and words of two run; not while somebody types", () => {
  const [slash, rides, escape] = [vi.fn(), vi.fn(), vi.fn()];
  const page = render(
    <Page keys={[{ keys: "/", what: "search", run: slash }, { keys: "g r", what: "rides", run: rides }, { keys: "Escape", what: "close", run: escape }]} />,
  );
  fireEvent.keyDown(document.body, { key: "/" });
  fireEvent.keyDown(document.body, { key: "r" });
  fireEvent.keyDown(document.body, { key: "g" });
  fireEvent.keyDown(document.body, { key: "r" });
  fireEvent.keyDown(document.body, { key: "r", ctrlKey: true });
  const input = page.getByLabelText("words");
  fireEvent.keyDown(input, { key: "/" });
  fireEvent.keyDown(input, { key: "Escape" });
  expect([slash, rides, escape].map((each) => each.mock.calls.length)).toEqual([1, 1, 1]);
});

test("what was opened last hears first, and is silent when it has gone", () => {
  const [under, over] = [vi.fn(), vi.fn()];
  render(<Page keys={[{ keys: "j", what: "next", run: under }]} />);
  const dialogue = render(<Page keys={[{ keys: "j", what: "down", run: over }]} />);
  fireEvent.keyDown(document.body, { key: "j" });
  expect(keysNow()).toHaveLength(2);
  dialogue.unmount();
  fireEvent.keyDown(document.body, { key: "j" });
  expect([under.mock.calls.length, over.mock.calls.length]).toEqual([1, 1]);
});
