import "@mantine/core/styles/Combobox.css";
import "@mantine/core/styles/Popover.css";
import { Button, Container, Group, Paper, SegmentedControl, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { signOut } from "@lib/auth";
import { config } from "@lib/config";
import { useLight } from "@lib/Frame";
import { chooseLanguage, language, LANGUAGES, offeredLanguages, type Language } from "@lib/i18n";
import { Icon } from "@lib/icons";
import { Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useState, type ReactNode } from "react";
import { LinkButton } from "../link";
import { Purpose } from "../find/Purpose";
import { keep } from "../keep";
import { useWords } from "../text";
import { useInstall } from "./install";
import { Privacy } from "./Privacy";

const ME = ["me"];

export function Account() {
  const t = useWords();
  const me = useQuery({ queryKey: ME, queryFn: () => ok(api.GET("/api/v1/users/me")) });
  const light = useLight();
  const install = useInstall();
  return (
    <Container size={640} py="lg" px="md">
      <Stack gap="lg">
        <Title order={1}>{t("account.title")}</Title>
        {me.isPending ? <Rows count={3} /> : me.isError ? <Failed error={me.error} again={() => void me.refetch()} /> : <Person key={me.data.id} me={me.data} />}
        <Card>
          <Select
            size="md" label={t("language")} allowDeselect={false} value={language()} data={offeredLanguages().map((each) => ({ value: each, label: LANGUAGES[each] }))}
            onChange={(value) => value && void chooseLanguage(value as Language)}
          />
          <div>
            <Text fw={600} mb={4} id="appearance">{t("appearance")}</Text>
            <SegmentedControl fullWidth size="md" aria-labelledby="appearance" value={light.chosen} onChange={(value) => light.choose(value as "light")} data={[{ value: "light", label: t("light") }, { value: "dark", label: t("dark") }, { value: "auto", label: t("auto") }]} />
          </div>
          <div>
            <Text fw={600} mb={4}>{t("account.mode")}</Text>
            <Purpose />
          </div>
        </Card>
        {install && (
          <Card>
            <Group justify="space-between" wrap="nowrap"><Text>{t("account.installText")}</Text><Button onClick={() => void install()}>{t("account.install")}</Button></Group>
          </Card>
        )}
        <Privacy />
        <Stack gap="xs">
          <LinkButton variant="default" size="md" to="/help" leftSection={<Icon name="help" />}>{t("help.title")}</LinkButton>
          <Button variant="default" size="md" leftSection={<Icon name="play" />} onClick={() => { keep("greeted", null); void signOut(); }}>{t("account.tutorial")}</Button>
          <Button variant="light" color="red" size="md" leftSection={<Icon name="signout" />} onClick={() => void leave()}>{t("signOut")}</Button>
        </Stack>
        <Text size="sm" c="dimmed" ta="center">{t("account.version", { operator: config().operator?.name ?? "–" })}</Text>
      </Stack>
    </Container>
  );
}

/** Nothing of this person stays on the device. */
async function leave(): Promise<void> {
  for (const name of ["trip", "ride", "ended", "scanned", "paused", "waiting", "business", "filter"]) keep(name, null);
  await signOut();
  location.assign("/app/");
}

const Card = ({ children }: { children: ReactNode }) => (
  <Paper withBorder radius="lg" p="lg" bg="var(--card)"><Stack gap="md">{children}</Stack></Paper>
);

function Person({ me }: { me: Schema<"Profile"> }) {
  const t = useWords();
  const queries = useQueryClient();
  const [values, setValues] = useState({ first_name: me.first_name ?? "", last_name: me.last_name ?? "", phone: me.phone ?? "" });
  const [busy, setBusy] = useState(false);
  const put = (name: keyof typeof values) => (event: { currentTarget: HTMLInputElement }) => setValues({ ...values, [name]: event.currentTarget.value });
  const changed = values.first_name !== (me.first_name ?? "") || values.last_name !== (me.last_name ?? "") || values.phone !== (me.phone ?? "");
  const save = async () => {
    setBusy(true);
    try {
      await ok(api.PATCH("/api/v1/users/me", { body: { first_name: values.first_name || null, last_name: values.last_name || null, phone: values.phone || null } }));
      await queries.invalidateQueries({ queryKey: ME });
      toast.good(t("account.saved"));
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <Card>
      <Group grow align="start">
        <TextInput size="md" label={t("account.firstName")} autoComplete="given-name" value={values.first_name} onChange={put("first_name")} />
        <TextInput size="md" label={t("account.lastName")} autoComplete="family-name" value={values.last_name} onChange={put("last_name")} />
      </Group>
      {me.email && <TextInput size="md" label={t("account.email")} value={me.email} readOnly />}
      <TextInput size="md" label={t("account.phone")} type="tel" autoComplete="tel" value={values.phone} onChange={put("phone")} />
      <Button size="md" disabled={!changed} loading={busy} onClick={() => void save()}>{t("save")}</Button>
    </Card>
  );
}
