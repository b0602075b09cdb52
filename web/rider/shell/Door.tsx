import { Anchor, Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { signIn } from "@lib/auth";
import { config } from "@lib/config";
import { errorText } from "@lib/errors";
import { language } from "@lib/i18n";
import { Icon } from "@lib/icons";
import { SignIn } from "@lib/SignIn";
import { useState, type FormEvent } from "react";
import { useWords } from "../text";
import classes from "./shell.module.css";

/** Sign in or sign up. */
export default function Door() {
  const t = useWords();
  const [isNew, setNew] = useState(false);
  return (
    <main className={classes.hello}>
      <Stack className={classes.card} gap="lg">
        <Stack gap={4} align="center">
          <Icon name="scooter" size={48} style={{ color: "var(--brand)" }} />
          <Text c="dimmed">{config().operator?.name}</Text>
          <Title order={1}>{isNew ? t("door.register") : t("door.title")}</Title>
          {!isNew && <Text c="dimmed">{t("door.subtitle")}</Text>}
        </Stack>
        {isNew ? <Register /> : <SignIn roles={["customer", "business_user"]} />}
        <Text ta="center">
          {isNew ? t("door.haveAccount") : t("door.noAccount")}{" "}
          <Anchor component="button" type="button" onClick={() => setNew(!isNew)}>{isNew ? t("signIn") : t("door.register")}</Anchor>
        </Text>
      </Stack>
    </main>
  );
}

function Register() {
  const t = useWords();
  const [values, setValues] = useState({ first_name: "", last_name: "", email: "", password: "" });
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const put = (name: keyof typeof values) => (event: { currentTarget: HTMLInputElement }) =>
    setValues({ ...values, [name]: event.currentTarget.value });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      const locale = language() === "de" ? "de" : "en";
      await ok(api.POST("/api/v1/auth/register", { body: { ...values, email: values.email.trim(), locale, tenant: config().operator?.slug ?? null } }));
      await signIn({ login: values.email, password: values.password });
    } catch (error) {
      setProblem(errorText(error));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack>
        <TextInput size="md" label={t("door.firstName")} autoComplete="given-name" value={values.first_name} onChange={put("first_name")} />
        <TextInput size="md" label={t("door.lastName")} autoComplete="family-name" value={values.last_name} onChange={put("last_name")} />
        <TextInput size="md" label={t("door.emailOnly")} type="email" inputMode="email" autoComplete="username" value={values.email} onChange={put("email")} />
        <PasswordInput size="md" label={t("password")} description={t("door.passwordHint")} autoComplete="new-password" value={values.password} onChange={put("password")} />
        {problem && <Text role="alert" c="var(--danger)" size="sm">{problem}</Text>}
        <Button size="md" type="submit" loading={busy} disabled={!values.first_name.trim() || !values.last_name.trim() || !values.email || values.password.length < 10}>{t("door.create")}</Button>
      </Stack>
    </form>
  );
}
