// Money: what is loaded, what is paid with, what has moved.
import "@mantine/core/styles/NumberInput.css";
import { ActionIcon, Button, Chip, Container, Group, Modal, NumberInput, Paper, Stack, Text, Title } from "@mantine/core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { at, money } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useState } from "react";
import { useWords } from "../text";
import { CardForm } from "./CardForm";
import { METHODS, named, useMethods } from "./methods";
import classes from "./wallet.module.css";

const AMOUNTS = [10, 20, 50];
const WALLET = ["wallet"];

export function Wallet() {
  const t = useWords();
  const wallet = useQuery({ queryKey: WALLET, queryFn: () => ok(api.GET("/api/v1/wallet")), retry: false });
  const [topping, setTopping] = useState(false);
  return (
    <Container size={640} py="lg" px="md">
      <Stack gap="lg">
        <Title order={1}>{t("wallet.title")}</Title>
        {wallet.isPending ? <Rows count={1} height={120} /> : wallet.isError ? <Failed error={wallet.error} again={() => void wallet.refetch()} /> : (
          <div className={classes.balance}>
            <div>
              <Text size="sm">{t("wallet.balance")}</Text>
              <span className={`${classes.amount} figures`}>{money(wallet.data.available, wallet.data.currency)}</span>
              {wallet.data.held > 0 && <Text size="sm">{t("wallet.held", { amount: money(wallet.data.held, wallet.data.currency) })}</Text>}
            </div>
            <Button variant="white" className={classes.up} size="md" onClick={() => setTopping(true)} leftSection={<Icon name="plus" size={18} />}>{t("wallet.topUp")}</Button>
          </div>
        )}
        <Methods />
        <Moves />
      </Stack>
      <Modal opened={topping} onClose={() => setTopping(false)} title={t("wallet.topUp")} centered closeButtonProps={{ "aria-label": t("close") }}>
        <TopUp onDone={() => setTopping(false)} />
      </Modal>
    </Container>
  );
}

function Methods() {
  const t = useWords();
  const queries = useQueryClient();
  const methods = useMethods();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState("");
  const remove = async (method: Schema<"Method">) => {
    const { id } = method;
    setRemoving(id);
    try {
      await ok(api.DELETE("/api/v1/payment-methods/{method_id}", { params: { path: { method_id: id } } }));
      toast.good(t("wallet.removed", { label: named(method) }));
      await queries.invalidateQueries({ queryKey: METHODS });
    } catch (error) {
      toast.bad(error);
    }
    setRemoving("");
  };
  const all = methods.data?.payment_methods ?? [];
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h3">{t("wallet.methods")}</Title>
        {all.length > 0 && <Button variant="subtle" leftSection={<Icon name="plus" size={18} />} onClick={() => setAdding(true)}>{t("wallet.add")}</Button>}
      </Group>
      {methods.isPending ? <Rows count={2} /> : methods.isError ? <Failed error={methods.error} again={() => void methods.refetch()} /> : all.length === 0 ? (
        <Paper withBorder radius="lg" bg="var(--card)">
          <Empty icon="card" title={t("wallet.none")} action={<Button onClick={() => setAdding(true)}>{t("wallet.add")}</Button>}>{t("wallet.noneText")}</Empty>
        </Paper>
      ) : (
        <ul className={classes.rows}>
          {all.map((each) => (
            <li key={each.id} className={classes.row}>
              <Icon name="card" size={26} />
              <span className={classes.text}>
                <strong>{named(each)}</strong>
                <Text span size="sm" c="dimmed">{[each.is_default && t("wallet.default"), each.expires && t("wallet.expires", { expires: each.expires })].filter(Boolean).join(" · ")}</Text>
              </span>
              <ActionIcon size={44} variant="subtle" color="gray" loading={removing === each.id} aria-label={t("wallet.remove", { label: named(each) })} onClick={() => void remove(each)}><Icon name="trash" /></ActionIcon>
            </li>
          ))}
        </ul>
      )}
      <Modal opened={adding} onClose={() => setAdding(false)} title={t("wallet.add")} centered closeButtonProps={{ "aria-label": t("close") }}>
        <CardForm onDone={() => setAdding(false)} />
      </Modal>
    </Stack>
  );
}

function TopUp({ onDone }: { onDone: () => void }) {
  const t = useWords();
  const queries = useQueryClient();
  const methods = useMethods();
  const [amount, setAmount] = useState<number>(20);
  const [busy, setBusy] = useState(false);
  const method = methods.data?.payment_methods.find((each) => each.is_default) ?? methods.data?.payment_methods[0];
  const pay = async () => {
    if (!method) return;
    setBusy(true);
    try {
      const session = await ok(api.POST("/api/v1/wallet/topups", { body: { amount } }));
      const path = { params: { path: { topup_id: session.id } } };
      let paid = await ok(api.POST("/api/v1/wallet/topups/{topup_id}/pay", { ...path, body: { payment_method_id: method.id } }));
      if (paid.next_action) {
        await ok(api.POST("/api/v1/payments/{payment_id}/complete-3ds", { params: { path: { payment_id: paid.payment_id } } }));
        paid = await ok(api.GET("/api/v1/wallet/topups/{topup_id}", path));
      }
      if (paid.status === "failed") throw new ApiProblem(400, "PAYMENT_FAILED", "");
      toast.good(paid.credited_at ? t("wallet.toppedUp", { amount: money(paid.amount, paid.currency) }) : t("wallet.pending"));
      onDone();
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
    await Promise.all([WALLET, ["moves"]].map((queryKey) => queries.invalidateQueries({ queryKey })));
  };
  if (methods.data && !method) return <CardForm onDone={() => void queries.invalidateQueries({ queryKey: METHODS })} />;
  return (
    <Stack>
      <Chip.Group value={String(amount)} onChange={(value) => setAmount(Number(value))}>
        <Group gap="xs" role="group" aria-label={t("wallet.amount")}>
          {AMOUNTS.map((each) => <Chip key={each} value={String(each)} size="md">{money(each, undefined, 0)}</Chip>)}
        </Group>
      </Chip.Group>
      <NumberInput size="md" label={t("wallet.other")} value={amount} min={1} max={500} decimalScale={2} onChange={(value) => setAmount(Number(value) || 0)} hideControls inputMode="decimal" />
      {method && <Text size="sm" c="dimmed">{t("vehicle.payWith", { label: named(method) })}</Text>}
      <Button size="md" loading={busy} disabled={amount <= 0 || !method} onClick={() => void pay()}>{t("wallet.topUpNow", { amount: money(amount) })}</Button>
    </Stack>
  );
}

function Moves() {
  const t = useWords();
  const moves = useInfiniteQuery({
    queryKey: ["moves"],
    queryFn: ({ pageParam }) => ok(api.GET("/api/v1/wallet/transactions", { params: { query: { first: 20, ...(pageParam ? { after: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next ?? undefined,
  });
  const all = moves.data?.pages.flatMap((page) => page.transactions) ?? [];
  if (moves.isPending || moves.isError) return null;
  return (
    <Stack gap="sm">
      <Title order={2} size="h3">{t("wallet.history")}</Title>
      {all.length === 0 ? <Text c="dimmed">{t("wallet.noHistory")}</Text> : (
        <ul className={classes.rows}>
          {all.map((each) => (
            <li key={each.id} className={classes.row}>
              <span className={classes.text}><strong>{each.description}</strong><Text span size="sm" c="dimmed">{at(each.at)}</Text></span>
              <strong className="figures" data-in={each.amount > 0 || undefined}>{money(each.amount, each.currency)}</strong>
            </li>
          ))}
        </ul>
      )}
      {moves.hasNextPage && <Button variant="default" onClick={() => void moves.fetchNextPage()}>{t("rides.more")}</Button>}
    </Stack>
  );
}
