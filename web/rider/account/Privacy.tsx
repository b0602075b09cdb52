// What is held about a person is theirs: what they agreed to, a copy of all of it, and its end.
import "@mantine/core/styles/Progress.css";
import "@mantine/core/styles/Switch.css";
import { Alert, Anchor, Button, Group, Paper, Progress, Stack, Switch, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, sendRequest, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useState } from "react";
import { useWords } from "../text";

type Wish = Schema<"RequestShown">;
const REQUESTS = ["privacy"];
/** Terms and privacy notice have pages of their own; here are the questions one can answer in a line. */
const LONGEST_ASIDE = 400;
const UNDER_WAY = ["waiting", "running", "erasing"];

export function Privacy() {
  const t = useWords();
  return (
    <Paper withBorder radius="lg" p="lg" bg="var(--card)">
      <Stack gap="lg">
        <Group justify="space-between">
          <Title order={2} size="h4">{t("account.privacy")}</Title>
          <Anchor href="/legal/privacy" target="_blank">{t("account.readPrivacy")}</Anchor>
        </Group>
        <Consents />
        <Requests />
      </Stack>
    </Paper>
  );
}

function Consents() {
  const queries = useQueryClient();
  const consents = useQuery({ queryKey: ["consents"], queryFn: () => ok(api.GET("/api/v1/privacy/consents")) });
  if (consents.isPending) return <Rows count={2} height={44} />;
  if (consents.isError) return <Failed error={consents.error} again={() => void consents.refetch()} />;
  const answer = async ({ purpose, version }: Schema<"ConsentShown">, given: boolean) => {
    try {
      await ok(api.PUT("/api/v1/privacy/consents/{purpose}", { params: { path: { purpose } }, body: { is_given: given, version } }));
    } catch (error) {
      toast.bad(error);
    }
    await queries.invalidateQueries({ queryKey: ["consents"] });
  };
  return (
    <Stack gap="md">
      {consents.data.consents.filter((each) => each.text.length < LONGEST_ASIDE).map((each) => (
        <Switch key={each.purpose} size="md" label={each.title} description={each.text} checked={each.is_given} onChange={(event) => void answer(each, event.currentTarget.checked)} />
      ))}
    </Stack>
  );
}

function Requests() {
  const t = useWords();
  const queries = useQueryClient();
  const [busy, setBusy] = useState("");
  const [sure, setSure] = useState(false);
  const requests = useQuery({
    queryKey: REQUESTS,
    queryFn: () => ok(api.GET("/api/v1/privacy/requests", { params: { query: { limit: 10 } } })),
    refetchInterval: ({ state }) => (state.data?.requests.some((each) => UNDER_WAY.includes(each.status)) ? 3_000 : false),
  });
  const check = useQuery({ queryKey: ["erasure"], queryFn: () => ok(api.GET("/api/v1/privacy/erasures/check")), enabled: sure });
  const all = requests.data?.requests ?? [];
  const copy = all.find((each) => each.kind === "export" && (UNDER_WAY.includes(each.status) || each.status === "ready"));
  const erasure = all.find((each) => each.kind === "erasure" && UNDER_WAY.includes(each.status));

  const doing = async (name: string, deed: () => Promise<unknown>) => {
    setBusy(name);
    try {
      await deed();
    } catch (error) {
      toast.bad(error);
    }
    setBusy("");
    await queries.invalidateQueries({ queryKey: REQUESTS });
  };
  const cancel = (id: string) => ok(api.POST("/api/v1/privacy/requests/{request_id}/cancel", { params: { path: { request_id: id } } }));
  const erase = async () => {
    const asked = await ok(api.POST("/api/v1/privacy/erasures"));
    setSure(false);
    toast.undoable(t("account.deleteAsked"), async () => {
      await cancel(asked.id);
      await queries.invalidateQueries({ queryKey: REQUESTS });
    });
  };
  return (
    <Stack gap="sm">
      {copy?.status === "ready" ? (
        <Button variant="light" loading={busy === "file"} leftSection={<Icon name="download" />} onClick={() => void doing("file", () => download(copy))}>{t("account.download")}</Button>
      ) : copy ? (
        <div role="status"><Text size="sm">{t("account.exporting")}</Text><Progress value={copy.progress * 100} aria-label={t("account.exporting")} /></div>
      ) : (
        <Button variant="default" loading={busy === "copy"} leftSection={<Icon name="download" />} onClick={() => void doing("copy", () => ok(api.POST("/api/v1/privacy/exports")))}>{t("account.export")}</Button>
      )}
      {erasure ? (
        <Alert color="red" icon={<Icon name="trash" />}>
          <Stack gap="xs">
            <Text>{t("account.deleteAt", { at: at(erasure.begins_at) })}</Text>
            {erasure.status === "waiting" && <Button variant="default" loading={busy === "cancel"} onClick={() => void doing("cancel", () => cancel(erasure.id))}>{t("account.keep")}</Button>}
          </Stack>
        </Alert>
      ) : sure ? (
        <Alert color="red" icon={<Icon name="alert" />} role="alertdialog" aria-label={t("account.delete")}>
          <Stack gap="xs">
            <Text>{t("account.deleteSure")}</Text>
            {check.data?.obstacles.map((each) => <Text key={each.code} fw={600}>{each.message}</Text>)}
            <Group>
              <Button color="red" disabled={!check.data?.is_possible} loading={busy === "erase"} onClick={() => void doing("erase", erase)}>{t("account.deleteYes")}</Button>
              <Button variant="default" onClick={() => setSure(false)}>{t("cancel")}</Button>
            </Group>
          </Stack>
        </Alert>
      ) : (
        <Button variant="subtle" color="red" onClick={() => setSure(true)}>{t("account.delete")}</Button>
      )}
    </Stack>
  );
}

/** With the token in a header, which a plain link cannot send. */
async function download({ id }: Wish): Promise<void> {
  const answer = await sendRequest(new Request(`/api/v1/privacy/requests/${id}/file`));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = "fahrwerk.zip";
  link.click();
  URL.revokeObjectURL(link.href);
}
