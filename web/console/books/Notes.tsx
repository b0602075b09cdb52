// What staff wrote for each other about a run to the bank or a payout: it stays as it is.
import { Button, Stack, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { toast } from "@lib/toast";
import { useState, type FormEvent } from "react";
import { refresh } from "../office/deed";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { useWords } from "../text";

const LONGEST = 500;

const ON = {
  run: {
    read: (id: string, offset: number) => ok(api.GET("/api/v1/payments/sepa/runs/{run_id}/notes", { params: { path: { run_id: id }, query: { offset, limit: PAGE } } })),
    write: (id: string, text: string) => ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/notes", { params: { path: { run_id: id } }, body: { text } })),
  },
  payout: {
    read: (id: string, offset: number): Promise<Schema<"RunNotes">> => ok(api.GET("/api/v1/reseller-payouts/{payout_id}/notes", { params: { path: { payout_id: id }, query: { offset, limit: PAGE } } })),
    write: (id: string, text: string) => ok(api.POST("/api/v1/reseller-payouts/{payout_id}/notes", { params: { path: { payout_id: id } }, body: { text } })),
  },
};

export function Notes({ on, id, mayWrite }: { on: keyof typeof ON; id: string; mayWrite: boolean }) {
  const t = useWords();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const found = usePages(["notes", on, id], (offset) => ON[on].read(id, offset), (page) => page.notes);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ON[on].write(id, text.trim());
      setText("");
      await refresh("notes");
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <section aria-label={t("bank.notes")}>
      <h3 className={office.section}>{t("bank.notes")}</h3>
      {found.error !== null && <Problem error={found.error} again={found.refetch} />}
      {found.total === 0 && !mayWrite && <Text size="sm" c="dimmed">{t("bank.notesNone")}</Text>}
      <Stack gap="sm">
        {found.rows.map((note) => (
          <div key={note.id}>
            <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{note.text}</Text>
            <Text size="xs" c="dimmed"><PersonName id={note.written_by} /> · {at(note.written_at)}</Text>
          </div>
        ))}
        {found.isMore && <Button size="compact-sm" variant="subtle" onClick={found.onEnd}>{t("books.more")}</Button>}
        {mayWrite && (
          <form onSubmit={(event) => void send(event)}>
            <Textarea label={t("bank.newNote")} description={t("bank.noteHint", { left: LONGEST - text.length })} value={text} maxLength={LONGEST} autosize minRows={2} maxRows={6} onChange={(e) => setText(e.currentTarget.value)} />
            <Button mt="xs" size="sm" variant="light" type="submit" loading={busy} disabled={!text.trim()}>{t("bank.addNote")}</Button>
          </form>
        )}
      </Stack>
    </section>
  );
}
