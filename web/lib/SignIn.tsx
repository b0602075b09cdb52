// One form for both faces; what stands above and below it is theirs.
import { Anchor, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";
import { signIn } from "./auth";
import { config } from "./config";
import { errorText } from "./errors";
import { useText } from "./i18n";

type Key = "signIn" | "email" | "password" | "operator";

/** `roles`: of the demo's people, only those that this face is for are offered. */
export function SignIn({ askOperator = false, roles, children }: { askOperator?: boolean; roles?: string[]; children?: ReactNode }) {
  const demos = config().demo_logins.filter((demo) => !roles || roles.includes(demo.role));
  const t = useText<Key>();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [operator, setOperator] = useState(config().operator?.slug ?? "");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await signIn({ login, password, ...(askOperator ? { operator } : {}) });
    } catch (error) {
      setProblem(errorText(error));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack>
        {askOperator && (
          <TextInput label={t("operator")} size="md" value={operator} onChange={(e) => setOperator(e.currentTarget.value)} autoCapitalize="none" spellCheck={false} />
        )}
        <TextInput
          label={t("email")} size="md" required withAsterisk={false} value={login} autoComplete="username" inputMode="email"
          autoCapitalize="none" spellCheck={false} onChange={(e) => setLogin(e.currentTarget.value)}
        />
        <PasswordInput
          label={t("password")} size="md" required withAsterisk={false} value={password} autoComplete="current-password"
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        {problem && <Text role="alert" c="var(--danger)" size="sm">{problem}</Text>}
        <Button type="submit" size="md" loading={busy} disabled={!login || !password}>{t("signIn")}</Button>
        {demos.length > 0 && (
          <Group gap="xs" justify="center">
            <Text size="sm" c="dimmed">Demo:</Text>
            {demos.map((demo) => (
              <Anchor
                key={demo.email} component="button" type="button" size="sm"
                onClick={() => { setLogin(demo.email); setPassword(demo.password); setOperator(demo.operator); }}
              >
                {demo.who}
              </Anchor>
            ))}
          </Group>
        )}
        {children}
      </Stack>
    </form>
  );
}
