// Who is not signed in sees this: password, the organisation's log-in, and the way to a second factor.
import { Alert, Anchor, Button, Divider, Group, Paper, Select, Stack, Text, Title } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { chooseLanguage, language, LANGUAGES, offeredLanguages, type Language } from "@lib/i18n";
import { SignIn } from "@lib/SignIn";
import { useQuery } from "@tanstack/react-query";
import { useWords } from "../text";
import { Mark } from "./Mark";
import classes from "./shell.module.css";

const after = "/console/";

export function Welcome() {
  const t = useWords();
  const ways = useQuery({
    queryKey: ["ways-in"],
    queryFn: () => ok(api.GET("/api/v1/auth/sso/providers")),
    staleTime: Infinity,
  });
  return (
    <main className={classes.welcome}>
      <Paper className={classes.door} p={{ base: "lg", sm: "xl" }} radius="lg" withBorder>
        <Stack gap="lg">
          <Group gap="sm" wrap="nowrap">
            <Mark size={40} />
            <div>
              <Title order={1} size="h2">{t("shell.title")}</Title>
              <Text c="dimmed" size="sm">{t("shell.subtitle")}</Text>
            </div>
          </Group>
          <SignIn askOperator roles={["admin", "provider", "support", "platform"]} />
          {(ways.data?.providers.length ?? 0) > 0 && (
            <>
              <Divider label={t("shell.or")} />
              {ways.data?.providers.map((way) => (
                <Button key={way.id} component="a" variant="default" size="md" href={`/login/sso?next=${encodeURIComponent(after)}`}>
                  {t("shell.signInWith", { name: way.name })}
                </Button>
              ))}
            </>
          )}
          <Alert variant="light" color="gray" p="xs">
            <Text size="sm">
              {t("shell.secondFactor")}{" "}
              <Anchor size="sm" underline="always" href={`/login?next=${encodeURIComponent(after)}`}>{t("shell.secondFactorGo")}</Anchor>
            </Text>
          </Alert>
        </Stack>
      </Paper>
      <Select
        aria-label={t("language")} size="sm" w={140} allowDeselect={false} value={language()}
        data={offeredLanguages().map((value) => ({ value, label: LANGUAGES[value] }))}
        onChange={(value) => value && void chooseLanguage(value as Language)}
      />
    </main>
  );
}
