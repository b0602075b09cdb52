import { MantineProvider } from "@mantine/core";
import { startLanguages } from "@lib/i18n";
import { cleanup, fireEvent, render, waitFor } from "@testing-library/react";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { en } from "../shell/texts";
import { Listed } from "./Listed";

beforeAll(async () => {
  vi.stubGlobal("ResizeObserver", class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  const words = async () => ({ shell: en });
  await startLanguages({ de: words, en: words, fr: words, es: words });
});
afterEach(cleanup);

const columns = [{ key: "n", label: "Number", cell: (n: number) => n, value: (n: number) => n }];

function shown(found: object) {
  const nothing = { rows: [] as number[], total: 0, isMore: false, isPending: false, error: null, onEnd() {}, refetch() {}, all: () => Promise.resolve([] as number[]) };
  return render(<MantineProvider><Listed found={{ ...nothing, ...found }} label="Numbers" columns={columns} id={String} file="numbers" empty={<p>None at all</p>} /></MantineProvider>);
}

test("all pages are exported, not only those that were scrolled to", async () => {
  const files: Blob[] = [];
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: (file: Blob) => (files.push(file), "blob:x"), revokeObjectURL() {} }));
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockReturnValue();
  const all = vi.fn(() => Promise.resolve([1, 2, 3]));
  const page = shown({ rows: [1], total: 3, isMore: true, all });
  fireEvent.click(page.getByRole("button", { name: en.table.export }));
  await waitFor(() => expect(files).toHaveLength(1));
  expect(await files[0]?.text()).toBe('"Number"\r\n"1"\r\n"2"\r\n"3"\r\n');
  expect(all).toHaveBeenCalledOnce();
});

test("a list is on its way, failed, empty, or there", () => {
  expect(shown({ isPending: true }).queryByRole("grid")).toBeNull();
  cleanup();
  expect(shown({ error: new Error("x") }).getByRole("alert")).toBeTruthy();
  cleanup();
  expect(shown({}).getByText("None at all")).toBeTruthy();
  cleanup();
  expect(shown({ rows: [7], total: 1 }).getByRole("grid", { name: "Numbers" })).toBeTruthy();
});
