import { Alert, Anchor, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok } from "@lib/api/client";
import { errorText } from "@lib/errors";
import { Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useState, type FormEvent } from "react";
import { useWords } from "../text";
import { grouped, isCardNumber, isExpiry, sandboxToken } from "./cards";
import { METHODS, named } from "./methods";

/** A new card. Who takes it is the gateway; here only the sandbox's own form can be shown. */
export function CardForm({ onDone }: { onDone: () => void }) {
  const t = useWords();
  const queries = useQueryClient();
  const [values, setValues] = useState({ number: "", expiry: "", cvc: "" });
  const [touched, setTouched] = useState(false);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const setup = useQuery({
    queryKey: ["card-setup"],
    queryFn: () => ok(api.POST("/api/v1/payment-methods/setup", { body: { type: "card" } })),
    staleTime: Infinity,
  });
  if (setup.isPending) return <Rows count={2} height={52} />;
  if (setup.isError) return <Failed error={setup.error} again={() => void setup.refetch()} />;
  if (setup.data.gateway !== "sandbox")
    return <Stack><Text>{t("wallet.elsewhere")}</Text><Anchor href="/portal/">{t("wallet.portal")}</Anchor></Stack>;

  const token = sandboxToken(values.number);
  const wrong = {
    number: isCardNumber(values.number) && token ? "" : t("wallet.badNumber"),
    expiry: isExpiry(values.expiry) ? "" : t("wallet.badExpiry"),
    cvc: /^\d{3,4}$/.test(values.cvc) ? "" : t("wallet.badCvc"),
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    setProblem("");
    if (!token || wrong.number || wrong.expiry || wrong.cvc) return;
    setBusy(true);
    try {
      const made = await ok(api.POST("/api/v1/payment-methods", { body: { gateway_token: token, make_default: true } }));
      await queries.invalidateQueries({ queryKey: METHODS });
      toast.good(t("wallet.added", { label: named(made) }));
      onDone();
    } catch (error) {
      setProblem(errorText(error));
      setBusy(false);
    }
  };
  const error = (name: keyof typeof wrong) => (touched && wrong[name]) || undefined;
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack>
        <Alert variant="light" color="amber">{t("wallet.sandbox")}</Alert>
        <TextInput size="md" label={t("wallet.number")} inputMode="numeric" autoComplete="cc-number" value={values.number} error={error("number")} onChange={(e) => setValues({ ...values, number: grouped(e.currentTarget.value) })} />
        <Group grow align="end">
          <TextInput size="md" label={t("wallet.expiry")} inputMode="numeric" autoComplete="cc-exp" placeholder="12/29" value={values.expiry} error={error("expiry")} onChange={(e) => setValues({ ...values, expiry: slashed(e.currentTarget.value) })} />
          <TextInput size="md" label={t("wallet.cvc")} inputMode="numeric" autoComplete="cc-csc" placeholder="123" value={values.cvc} error={error("cvc")} onChange={(e) => setValues({ ...values, cvc: e.currentTarget.value.replace(/\D/g, "").slice(0, 4) })} />
        </Group>
        {problem && <Text role="alert" c="var(--danger)">{problem}</Text>}
        <Button type="submit" size="md" loading={busy}>{t("wallet.add")}</Button>
      </Stack>
    </form>
  );
}

const slashed = (text: string): string => {
  const all = text.replace(/\D/g, "").slice(0, 4);
  return all.length > 2 ? `${all.slice(0, 2)}/${all.slice(2)}` : all;
};
