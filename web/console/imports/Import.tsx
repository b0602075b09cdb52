// A fleet from a spreadsheet: choose a file, say which column is what, have it checked, import it.
import { Alert, Button, Group, NativeSelect, Paper, Progress, Radio, Stack, Stepper, Table, Text, Title } from "@mantine/core";
import { sendRequest, type Schema } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { number, percent } from "@lib/format";
import { Icon } from "@lib/icons";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState, type DragEvent } from "react";
import { finished } from "../fleet/Bulk";
import { csvOf, saveFile } from "../parts/csv";
import { Page } from "../parts/Page";
import { useGo } from "../shell/place";
import { useNames, useWords } from "../text";
import { FIELDS, guessed, NEEDED, rewritten, sheetOf, type Field, type Sheet } from "./csv";
import classes from "./imports.module.css";

type Job = Schema<"BulkView">;
const MODES = ["create", "update", "upsert"] as const;
type Mode = (typeof MODES)[number];
const MOST_BYTES = 10 * 1024 * 1024;

const SAMPLE = csvOf([
  [...FIELDS],
  ["SC-1001", "scooter", "Ninebot Max", "Segway", "standard", "123 ABC", "", "", 52.5208, 13.4094],
  ["EB-2001", "ebike", "City 5", "Kalkhoff", "standard", "", "", "", 52.5163, 13.3777],
]);

/** Sends the rows and waits for the job; also of a file with problems, whose report is its result. */
async function run(csv: string, mode: Mode, isDry: boolean, onStep: (job: Job) => void): Promise<Job> {
  const answer = await sendRequest(new Request(`/api/v1/vehicles/imports?dry_run=${isDry}&mode=${mode}`, { method: "POST", headers: { "content-type": "text/csv" }, body: csv }));
  if (!answer.ok) throw await problemOf(answer);
  return finished((await answer.json()) as Job, onStep);
}

export default function Import() {
  const t = useWords();
  const client = useQueryClient();
  const [step, setStep] = useState(0);
  const [sheet, setSheet] = useState<Sheet | null>(null);
  const [name, setName] = useState("");
  const [mapping, setMapping] = useState<(Field | "")[]>([]);
  const [mode, setMode] = useState<Mode>("create");
  const [job, setJob] = useState<Job | null>(null);
  const [isBusy, setBusy] = useState(false);

  const take = async (file: File | undefined) => {
    if (!file) return;
    if (file.size > MOST_BYTES) return void toast.bad(t("imports.tooLarge"));
    const found = sheetOf(await file.text());
    if (found.rows.length === 0) return void toast.bad(t("imports.empty"));
    setSheet(found);
    setName(file.name);
    setMapping(guessed(found.header));
    setStep(1);
  };
  const start = async (isDry: boolean) => {
    if (!sheet) return;
    setBusy(true);
    setJob(null);
    setStep(2);
    try {
      const done = await run(rewritten(sheet, mapping), mode, isDry, setJob);
      setJob(done);
      if (!isDry && done.status === "done") {
        setStep(3);
        void client.invalidateQueries();
      }
    } catch (error) {
      toast.bad(error);
      setStep(1);
    } finally {
      setBusy(false);
    }
  };
  const restart = () => {
    setSheet(null);
    setJob(null);
    setStep(0);
  };
  return (
    <Page title={t("imports.title")}>
      <Stack maw={980} gap="lg">
        <Stepper active={step} size="sm" allowNextStepsSelect={false} aria-label={t("imports.steps")} onStepClick={(to) => !isBusy && to < step && step < 3 && setStep(to)}>
          <Stepper.Step label={t("imports.file")} />
          <Stepper.Step label={t("imports.columns")} />
          <Stepper.Step label={t("imports.check")} />
          <Stepper.Step label={t("imports.done")} />
        </Stepper>
        {step === 0 && <Choose onFile={(file) => void take(file)} />}
        {step === 1 && sheet && (
          <MapColumns name={name} sheet={sheet} mapping={mapping} mode={mode} onMapping={setMapping} onMode={setMode} onBack={restart} onNext={() => void start(true)} />
        )}
        {step === 2 && <Check job={job} isBusy={isBusy} onBack={() => setStep(1)} onApply={() => void start(false)} onAgain={restart} />}
        {step === 3 && job && <Done job={job} onAgain={restart} />}
      </Stack>
    </Page>
  );
}

function Choose({ onFile }: { onFile: (file: File | undefined) => void }) {
  const t = useWords();
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const dropped = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onFile(event.dataTransfer.files[0]);
  };
  return (
    <div className={classes.drop} data-over={isOver || undefined} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={dropped}>
      <Icon name="upload" size={36} />
      <input ref={input} type="file" accept=".csv,text/csv" className="sr-only" tabIndex={-1} aria-label={t("imports.choose")} onChange={(e) => onFile(e.currentTarget.files?.[0])} />
      <Button size="md" onClick={() => input.current?.click()}>{t("imports.choose")}</Button>
      <Text c="dimmed" ta="center">{t("imports.drop")}</Text>
      <Button variant="subtle" size="sm" leftSection={<Icon name="download" size={16} />} onClick={() => saveFile("fahrwerk-vehicles.csv", SAMPLE)}>{t("imports.sample")}</Button>
    </div>
  );
}

interface MapColumnsProps {
  name: string;
  sheet: Sheet;
  mapping: (Field | "")[];
  mode: Mode;
  onMapping: (mapping: (Field | "")[]) => void;
  onMode: (mode: Mode) => void;
  onBack: () => void;
  onNext: () => void;
}

function MapColumns({ name, sheet, mapping, mode, onMapping, onMode, onBack, onNext }: MapColumnsProps) {
  const t = useWords();
  const missing = NEEDED.filter((field) => !mapping.includes(field) && (mode !== "update" || field === "identifier"));
  const twice = FIELDS.find((field) => mapping.filter((each) => each === field).length > 1);
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={2} size="h3">{t("imports.mapTitle")}</Title>
        <Text c="dimmed" size="sm">{name} · {t("imports.rows", { count: sheet.rows.length })}</Text>
      </Group>
      <Text c="dimmed" size="sm">{t("imports.mapText")}</Text>
      <Paper withBorder radius="md" className={classes.scroll} tabIndex={0} role="region" aria-label={t("imports.mapTitle")}>
        <Table verticalSpacing="xs" miw={560}>
          <Table.Thead><Table.Tr><Table.Th>{t("imports.column")}</Table.Th><Table.Th>{t("imports.first")}</Table.Th><Table.Th w={240}>Fahrwerk</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {sheet.header.map((column, i) => (
              <Table.Tr key={`${column}-${i}`}>
                <Table.Td fw={600}>{column}</Table.Td>
                <Table.Td c="dimmed" className={classes.values}>{sheet.rows.slice(0, 3).map((row) => row[i]).filter(Boolean).join(" · ")}</Table.Td>
                <Table.Td>
                  <NativeSelect size="sm" aria-label={column} value={mapping[i] ?? ""} onChange={(e) => onMapping(mapping.map((each, at) => (at === i ? (e.currentTarget.value as Field | "") : each)))}
                    data={[{ value: "", label: t("imports.nothing") }, ...FIELDS.map((field) => ({ value: field, label: t(`imports.field.${field}`) + (NEEDED.includes(field) ? ` (${t("imports.required")})` : "") }))]} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Paper>
      <Radio.Group label={t("imports.mode")} value={mode} onChange={(value) => onMode(value as Mode)}>
        <Stack gap={6} mt={6}>{MODES.map((value) => <Radio key={value} value={value} label={t(`imports.modes.${value}`)} />)}</Stack>
      </Radio.Group>
      {missing.length > 0 && <Text role="alert" c="var(--danger)" size="sm">{t("imports.missing", { names: missing.map((field) => t(`imports.field.${field}`)).join(", ") })}</Text>}
      {twice && <Text role="alert" c="var(--danger)" size="sm">{t("imports.same", { name: t(`imports.field.${twice}`) })}</Text>}
      <Group justify="end">
        <Button variant="default" onClick={onBack}>{t("imports.back")}</Button>
        <Button disabled={missing.length > 0 || twice !== undefined} onClick={onNext}>{t("imports.dryRun")}</Button>
      </Group>
    </Stack>
  );
}

function Check({ job, isBusy, onBack, onApply, onAgain }: { job: Job | null; isBusy: boolean; onBack: () => void; onApply: () => void; onAgain: () => void }) {
  const t = useWords();
  const n = useNames();
  const result = job?.result ?? null;
  const report = useMemo(() => csvOf([["row", "column", "problem"], ...(result?.problems ?? []).map((p) => [p.row, p.column, p.rule])]), [result]);
  if (isBusy) {
    const done = job?.done ?? 0;
    const total = Math.max(1, job?.total ?? 1);
    const isWriting = job?.phase === "writing";
    return (
      <Stack>
        <Text role="status">{t(isWriting ? "imports.writing" : "imports.checking", { done: number(done), total: number(job?.total ?? 0) })}</Text>
        <Progress size="lg" value={(100 * done) / total} animated aria-label={percent((100 * done) / total)} />
      </Stack>
    );
  }
  if (!job || !result) return <Alert color="red" title={t("imports.failed")}><Button mt="sm" size="sm" variant="default" onClick={onBack}>{t("imports.back")}</Button></Alert>;
  return (
    <Stack>
      <Group gap="lg" role="status">
        <Text fw={600} c="var(--good)">{t("imports.valid", { count: result.valid })}</Text>
        {result.problem_count > 0 && <Text fw={600} c="var(--danger)">{t("imports.problems", { count: result.problem_count })}</Text>}
      </Group>
      {result.problem_count > 0 && (
        <>
          <Alert color="amber" variant="light" icon={<Icon name="alert" size={18} />}>{t("imports.fix")}</Alert>
          <Paper withBorder radius="md" className={classes.scroll} mah={360} tabIndex={0} role="region" aria-label={t("imports.problem")}>
            <Table verticalSpacing={6} stickyHeader>
              <Table.Thead><Table.Tr><Table.Th w={90}>{t("imports.row")}</Table.Th><Table.Th w={180}>{t("imports.column")}</Table.Th><Table.Th>{t("imports.problem")}</Table.Th></Table.Tr></Table.Thead>
              <Table.Tbody>
                {result.problems.slice(0, 200).map((problem, i) => (
                  <Table.Tr key={i}><Table.Td className="figures">{problem.row}</Table.Td><Table.Td>{FIELDS.includes(problem.column as Field) ? n(`imports.field.${problem.column}`) : problem.column}</Table.Td><Table.Td>{problem.rule}</Table.Td></Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Paper>
        </>
      )}
      <Group justify="end">
        {result.problem_count > 0 && <Button variant="subtle" leftSection={<Icon name="download" size={16} />} onClick={() => saveFile("import-report.csv", report)}>{t("imports.report")}</Button>}
        <Button variant="default" onClick={result.problem_count > 0 ? onAgain : onBack}>{t("imports.back")}</Button>
        <Button disabled={result.problem_count > 0 || result.valid === 0} onClick={onApply}>{t("imports.apply")}</Button>
      </Group>
    </Stack>
  );
}

function Done({ job, onAgain }: { job: Job; onAgain: () => void }) {
  const t = useWords();
  const go = useGo();
  return (
    <Stack align="center" py="xl" role="status">
      <Icon name="check" size={44} color="var(--good)" />
      <Title order={2}>{t("imports.created", { count: job.result?.created ?? 0 })}</Title>
      {(job.result?.updated ?? 0) > 0 && <Text>{t("imports.updated", { count: job.result?.updated ?? 0 })}</Text>}
      <Group><Button variant="default" onClick={onAgain}>{t("imports.again")}</Button><Button onClick={() => go("/vehicles")}>{t("imports.toFleet")}</Button></Group>
    </Stack>
  );
}
