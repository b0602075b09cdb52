// What is left of a ride: its way, its receipt, and how it was.
import "@mantine/core/styles/Rating.css";
import { Alert, Anchor, Button, Container, Group, Paper, Rating, Stack, Text, Textarea, Title } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { sendRequest } from "@lib/api/client";
import { at, distance, masked, minutes, money, number, price } from "@lib/format";
import { Icon } from "@lib/icons";
import { Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { lazy, Suspense, useEffect, useState } from "react";
import { LinkButton } from "../link";
import { useWords } from "../text";
import classes from "./rides.module.css";

const TripMap = lazy(() => import("../trip/TripMap"));
type Receipt = Schema<"Receipt">;

export function Ride() {
  const t = useWords();
  const { id } = useParams({ from: "/rides/$id" });
  const path = { params: { path: { rental_id: id } } };
  const receipt = useQuery({
    queryKey: ["receipt", id],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}/receipt", path)),
    refetchInterval: ({ state }) => (state.data?.payment.status === "processing" ? 3_000 : false),
  });
  const ride = useQuery({ queryKey: ["rental", id], queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}", path)) });
  const track = useQuery({ queryKey: ["track", id], queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}/track", path)), staleTime: Infinity });
  if (receipt.isError) return <Failed error={receipt.error} again={() => void receipt.refetch()} />;
  const route = (track.data?.longitude ?? []).map((lon, i) => [lon, track.data?.latitude[i] ?? 0] as [number, number]);
  return (
    <Container size={640} py="lg" px="md">
      <Stack gap="md">
        <Group gap="xs"><Anchor component={Link} to="/rides" aria-label={t("back")}><Icon name="back" /></Anchor><Title order={1}>{t("receipt.title")}</Title></Group>
        {!receipt.data ? <Rows count={3} height={120} /> : (
          <>
            {route.length > 1 && (
              <div className={classes.map}>
                <Suspense fallback={null}><TripMap label={t("ride.route")} vehicle={route.at(-1) ?? null} type={receipt.data.vehicle.type} route={route} /></Suspense>
              </div>
            )}
            <Bill receipt={receipt.data} />
            {ride.data && <Rate ride={ride.data} />}
            <Photo id={id} />
            <LinkButton variant="default" to="/help" search={{ v: receipt.data.vehicle.id }}>{t("receipt.problem")}</LinkButton>
          </>
        )}
      </Stack>
    </Container>
  );
}

function Bill({ receipt }: { receipt: Receipt }) {
  const t = useWords();
  const { cost_breakdown: cost, currency, payment } = receipt;
  const queries = useQueryClient();
  const [paying, setPaying] = useState(false);
  const pay = async () => {
    setPaying(true);
    try {
      await ok(api.POST("/api/v1/payments", { body: { booking_id: receipt.id } }));
    } catch (error) {
      toast.bad(error);
    }
    setPaying(false);
    await queries.invalidateQueries({ queryKey: ["receipt", receipt.id] });
  };
  const line = (label: string, amount: number) => amount !== 0 && <div><dt>{label}</dt><dd>{money(amount, currency)}</dd></div>;
  return (
    <Paper withBorder p="lg" radius="lg" bg="var(--card)">
      <Stack gap="md">
        <Group justify="space-between">
          <div>
            <Text fw={650}>{receipt.vehicle.identifier}</Text>
            <Text size="sm" c="dimmed">{receipt.operator}</Text>
          </div>
          <Text size="sm" c="dimmed" ta="right">{minutes(receipt.duration_minutes)}<br />{distance(receipt.total_distance * 1000)}</Text>
        </Group>
        <dl className={classes.lines}>
          <div><dt>{t("receipt.from")}</dt><dd>{at(receipt.start_time)}</dd></div>
          <div><dt>{t("receipt.to")}</dt><dd>{at(receipt.end_time)}</dd></div>
          {line(t("receipt.base"), cost.base_fee)}
          {line(t("receipt.time", { minutes: receipt.duration_minutes, price: price(receipt.pricing.price_per_minute, currency) }), cost.time_cost)}
          {line(t("receipt.promo"), cost.promo_discount)}
          {line(t("receipt.bonus"), cost.parking_bonus ?? 0)}
          {line(t(cost.tax_included ? "receipt.taxIn" : "receipt.taxOn", { rate: number(receipt.tax_rate, 2) }), cost.tax)}
          <div className={classes.sum}><dt>{t("receipt.total")}</dt><dd>{money(receipt.total_cost, currency)}</dd></div>
        </dl>
        {payment.status === "due" ? (
          <Alert color="red" icon={<Icon name="alert" />}>
            <Stack gap="xs"><Text>{t("receipt.due")}</Text><Button loading={paying} onClick={() => void pay()}>{t("receipt.payNow")}</Button></Stack>
          </Alert>
        ) : (
          <Text size="sm" c="dimmed">{payment.status === "processing" ? t("receipt.processing") : t("receipt.paid", { method: masked(payment.payment_method) })}</Text>
        )}
        <Anchor href={new URL(receipt.receipt_url).pathname + new URL(receipt.receipt_url).search} target="_blank" rel="noreferrer" display="inline-flex" style={{ alignItems: "center", gap: "0.4rem" }}>
          <Icon name="doc" size={18} />{t("receipt.page")}
        </Anchor>
      </Stack>
    </Paper>
  );
}

function Rate({ ride }: { ride: Schema<"ShownRide"> }) {
  const t = useWords();
  const queries = useQueryClient();
  const [stars, setStars] = useState(0);
  const [words, setWords] = useState("");
  const [busy, setBusy] = useState(false);
  const label = (count: number) => t("receipt.stars" as never, { count });
  const send = async () => {
    setBusy(true);
    try {
      await ok(api.PUT("/api/v1/rentals/{rental_id}/rating", { params: { path: { rental_id: ride.id } }, body: { rating: stars, feedback: words.trim() || null } }));
      await queries.invalidateQueries({ queryKey: ["rental", ride.id] });
      toast.good(t("receipt.thanks"));
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <Paper withBorder p="lg" radius="lg" bg="var(--card)">
      <Stack gap="sm" align="start">
        <Title order={2} size="h4">{ride.rating === null ? t("receipt.rate") : t("receipt.rated")}</Title>
        {ride.rating !== null ? (
          <><Rating value={ride.rating} readOnly size="lg" aria-label={label(ride.rating)} />{ride.feedback && <Text c="dimmed">{ride.feedback}</Text>}</>
        ) : (
          <>
            <Rating value={stars} onChange={setStars} size="xl" getSymbolLabel={label} />
            {stars > 0 && (
              <>
                <Textarea w="100%" label={t("receipt.comment")} value={words} maxLength={2_000} autosize minRows={2} onChange={(e) => setWords(e.currentTarget.value)} />
                <Button loading={busy} onClick={() => void send()}>{t("receipt.send")}</Button>
              </>
            )}
          </>
        )}
      </Stack>
    </Paper>
  );
}

function Photo({ id }: { id: string }) {
  const t = useWords();
  const [address, setAddress] = useState("");
  const [gone, setGone] = useState(false);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  const show = async () => {
    const answer = await sendRequest(new Request(`/api/v1/rentals/${id}/photo`));
    if (answer.ok) setAddress(URL.createObjectURL(await answer.blob()));
    else setGone(true);
  };
  if (gone) return null;
  return address ? <img className={classes.photo} src={address} alt={t("receipt.photoAlt")} /> : (
    <Button variant="subtle" leftSection={<Icon name="camera" />} onClick={() => void show().catch(toast.bad)}>{t("receipt.photo")}</Button>
  );
}
