import { Button, Container, Loader, Stack, Text, Title } from "@mantine/core";
import { signOut, useSession } from "@lib/auth";
import { type KeysOf, useText } from "@lib/i18n";
import { SignIn } from "@lib/SignIn";
import type de from "./texts/de";

export type Key = KeysOf<typeof de> | "signOut";

export function App() {
  const t = useText<Key>();
  const session = useSession();
  return (
    <Container size={420} py="xl" component="main">
      <Stack>
        <Title order={1}>{t("title")}</Title>
        {session.is === "unknown" && <Loader />}
        {session.is === "out" && <SignIn askOperator />}
        {session.is === "in" && (
          <>
            <Text>{t("welcome", { name: session.user.email ?? session.user.id })}</Text>
            <Button variant="default" onClick={() => void signOut()}>{t("signOut")}</Button>
          </>
        )}
      </Stack>
    </Container>
  );
}
