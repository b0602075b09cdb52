// One form for both faces; what stands above and below it is theirs.
import { Anchor, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";
import { elsewhere, finishSignIn, signIn, type SecondStep } from "./auth";
import { config } from "./config";
import { ApiProblem, errorText } from "./errors";
import { useText } from "./i18n";

type Key =
  | "signIn" | "email" | "password" | "operator" | "back" | "second.title" | "second.code" | "second.recovery"
  | "second.useCode" | "second.useRecovery" | "second.usePasskey" | "second.over";

interface Asked {
  askOperator?: boolean;
  /** Of the demo's people, only those that this face is for are offered. */
  roles?: string[];
  children?: ReactNode;
}

export function SignIn(asked: Asked) {
  const [step, setStep] = useState<SecondStep | null>(null);
  const [over, setOver] = useState("");
  const end = (why: string) => {
    setOver(why);
    setStep(null);
  };
  return step ? <SecondForm step={step} onEnd={end} /> : <PasswordForm {...asked} said={over} onStep={setStep} />;
}

/** `onEnd`: back to the first step, with what went wrong if anything did. */
function SecondForm({ step, onEnd }: { step: SecondStep; onEnd: (why: string) => void }) {
  const t = useText<Key>();
  const hasBoth = step.methods.includes("totp") && step.methods.includes("recovery_code");
  const [isRecovery, setRecovery] = useState(!step.methods.includes("totp"));
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await finishSignIn(step.challenge, isRecovery ? { recovery_code: code.trim() } : { code: code.trim() });
    } catch (error) {
      if (error instanceof ApiProblem && error.details.tries_left === 0) return onEnd(t("second.over"));
      setProblem(errorText(error));
      setCode("");
      setBusy(false);
    }
  };
  const turn = () => {
    setRecovery(!isRecovery);
    setCode("");
    setProblem("");
  };
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack>
        <Text>{t("second.title")}</Text>
        <TextInput
          key={String(isRecovery)} label={t(isRecovery ? "second.recovery" : "second.code")} size="md" required withAsterisk={false} autoFocus
          value={code} maxLength={40} autoComplete="one-time-code" inputMode={isRecovery ? "text" : "numeric"} autoCapitalize="characters"
          spellCheck={false} onChange={(e) => setCode(e.currentTarget.value)}
        />
        {problem && <Text role="alert" c="var(--danger)" size="sm">{problem}</Text>}
        <Button type="submit" size="md" loading={busy} disabled={!code.trim()}>{t("signIn")}</Button>
        <Group justify="space-between">
          <Anchor component="button" type="button" size="sm" onClick={() => onEnd("")}>{t("back")}</Anchor>
          {step.methods.includes("passkey") && (
            <Anchor component="button" type="button" size="sm" onClick={elsewhere}>{t("second.usePasskey")}</Anchor>
          )}
          {hasBoth && (
            <Anchor component="button" type="button" size="sm" onClick={turn}>{t(isRecovery ? "second.useCode" : "second.useRecovery")}</Anchor>
          )}
        </Group>
      </Stack>
    </form>
  );
}

function PasswordForm({ askOperator = false, roles, children, said, onStep }: Asked & { said: string; onStep: (step: SecondStep | null) => void }) {
  const demos = config().demo_logins.filter((demo) => !roles || roles.includes(demo.role));
  const t = useText<Key>();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [operator, setOperator] = useState(config().operator?.slug ?? "");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(said);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      onStep(await signIn({ login, password, ...(askOperator ? { operator } : {}) }));
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
