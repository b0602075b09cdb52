// Files of the bank: read in with a report of what was in them, and the list of those that were.
import { Alert, Button, FileButton, Modal, Progress, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { sendFile } from "@lib/api/upload";
import { at, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useWords } from "../text";

type Imported = Schema<"ImportedView">;

export function Statements() {
  const t = useWords();
  const found = usePages(["sepa", "statements"], (offset) => ok(api.GET("/api/v1/payments/sepa/statements", { params: { query: { offset, limit: PAGE } } })), (page) => page.statements);
  const columns = useMemo<Column<Schema<"StatementView">>[]>(
    () => [
      { key: "at", label: t("bank.importedAt"), width: "11rem", cell: (s) => at(s.imported_at), value: (s) => s.imported_at },
      { key: "kind", label: t("books.kind"), width: "8rem", cell: (s) => s.kind, value: (s) => s.kind },
      { key: "reference", label: t("bank.reference"), width: "minmax(12rem, 1fr)", cell: (s) => s.reference, value: (s) => s.reference },
      { key: "state", label: t("books.status"), width: "9rem", cell: (s) => <State tone={s.complete ? "good" : "danger"}>{t(s.complete ? "bank.complete" : "bank.incomplete")}</State>, value: (s) => String(s.complete) },
      { key: "lines", label: t("bank.newLines"), width: "7rem", end: true, cell: (s) => number(s.lines), value: (s) => s.lines },
      { key: "matched", label: t("bank.matched"), width: "7rem", end: true, cell: (s) => number(s.matched), value: (s) => s.matched },
      { key: "skipped", label: t("bank.skipped"), width: "8rem", end: true, cell: (s) => number(s.skipped), value: (s) => s.skipped },
      { key: "by", label: t("bank.importedBy"), width: "11rem", cell: (s) => <PersonName id={s.imported_by} />, value: (s) => s.imported_by },
    ],
    [t],
  );
  return <Listed found={found} label={t("bank.statements")} columns={columns} id={(s) => s.id} file="bank-statements" bar={<ReadIn />} empty={<Empty icon="doc" title={t("bank.statementsNone")}>{t("bank.statementsNoneText")}</Empty>} />;
}

/** The button that reads a file in, its progress, and the report afterwards. */
export function ReadIn() {
  const t = useWords();
  const may = useMay();
  const [part, setPart] = useState<number | null>(null);
  const [report, setReport] = useState<Imported | null>(null);
  const upload = async (file: File | null) => {
    if (!file) return;
    setPart(0);
    try {
      const read = (await sendFile("/api/v1/payments/sepa/statements", { body: file, type: "application/xml", onProgress: setPart })) as Imported;
      await refresh("sepa", "books");
      setReport(read);
    } catch (error) {
      toast.bad(error);
    }
    setPart(null);
  };
  if (!may?.("payments.sepa.import")) return null;
  return (
    <>
      <FileButton onChange={(file) => void upload(file)} accept=".xml,application/xml,text/xml">
        {(props) => <Button {...props} size="sm" variant="default" disabled={part !== null} leftSection={<Icon name="upload" size={16} />}>{t("books.upload")}</Button>}
      </FileButton>
      {part !== null && <Progress value={part * 100} w={140} aria-label={t("bank.uploading")} />}
      {report && <Report of={report} onClose={() => setReport(null)} />}
    </>
  );
}

function Report({ of, onClose }: { of: Imported; onClose: () => void }) {
  const t = useWords();
  const unclear = of.lines - of.matched;
  return (
    <Modal opened onClose={onClose} title={t("bank.report")} centered closeButtonProps={{ "aria-label": t("close") }}>
      <Pairs of={[
        [t("books.kind"), of.kind], [t("bank.reference"), of.references.join(", ")], [t("bank.newLines"), number(of.lines)], [t("bank.matched"), number(of.matched)],
        [t("bank.unclear"), number(unclear)], [t("bank.known"), number(of.known)], [t("bank.skipped"), of.skipped > 0 && number(of.skipped)],
      ]} />
      <Alert mt="md" variant="light" color={unclear > 0 ? "amber" : "petrol"} role="status">
        <Text size="sm">{of.lines === 0 ? t("bank.reportKnown") : unclear > 0 ? t("bank.reportUnclear", { count: unclear }) : t("bank.reportGood")}</Text>
      </Alert>
      <Button mt="md" fullWidth variant="default" onClick={onClose}>{t("close")}</Button>
      {unclear > 0 && <Text mt="sm" ta="center" size="sm"><Go to="/bank" query={{ part: "lines", status: "unmatched" }} onClick={onClose}>{t("bank.toUnclear")}</Go></Text>}
    </Modal>
  );
}
