// One vehicle: what it is, what it costs, and the two ways to have it.
import { ActionIcon, Anchor, Button, Collapse, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { ApiProblem, errorText } from "@lib/errors";
import { distance, money, number, percent, price, walk } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useEffect, useState } from "react";
import { LinkButton } from "../link";
import { keep, useKept } from "../keep";
import { useWords, type Key } from "../text";
import { useTripIs } from "../trip/current";
import { named, useMethods } from "../wallet/methods";
import { Battery } from "./Battery";
import classes from "./find.module.css";
import { metresBetween } from "./place";
import { Purpose } from "./Purpose";
import type { Found, VehicleType } from "./search";

interface Props {
  id: string;
  found: Found | null;
  from: { latitude: number; longitude: number };
  onClose: () => void;
  onOther: (id: string) => void;
  /** It stands where the map is not (a link, a scanned code). */
  onPlace: (place: { latitude: number; longitude: number }) => void;
}
type Alternative = { id: string; type: string; distance_meters: number; battery: number | null };
/** Nobody walks that far: the minutes say nothing any more. */
const FAR_M = 4_000;
const MINUTES = 10;
const HOLD_MINUTES = 5;

export default function VehicleSheet({ id, found, from, onClose, onOther, onPlace }: Props) {
  const t = useWords();
  const go = useNavigate();
  const tripIs = useTripIs();
  const [promo, setPromo] = useState("");
  const [promoShown, setPromoShown] = useState(false);
  const [checked, setChecked] = useState<Schema<"QuoteAnswer"> | null>(null);
  const [promoProblem, setPromoProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const business = useKept<boolean>("business") ?? false;
  const methods = useMethods();
  const vehicle = useQuery({
    queryKey: ["vehicle", id],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: id } } })),
  });
  const type = (vehicle.data?.vehicle_type ?? found?.type) as VehicleType | undefined;
  const quote = useQuery({
    queryKey: ["quote", type],
    queryFn: () => ok(api.POST("/api/v1/pricing/quote", { body: { vehicle_type: type as VehicleType, estimated_duration_minutes: MINUTES } })),
    enabled: type !== undefined,
    staleTime: 300_000,
  });
  const stands = vehicle.data?.location;
  useEffect(() => {
    if (stands && !found) onPlace(stands);
  }, [vehicle.data?.id]); // eslint-disable-line react-hooks/exhaustive-deps

  if (vehicle.isError) return <><Back onClose={onClose} /><Failed error={vehicle.error} again={() => void vehicle.refetch()} /></>;
  if (!vehicle.data || !type) return <><Back onClose={onClose} /><div className={classes.list}><Rows count={3} /></div></>;
  const it = vehicle.data;
  const place = it.location ?? (found ? { latitude: found.location.lat, longitude: found.location.lon } : null);
  const metres = place ? metresBetween(from, place) : null;
  const card = methods.data?.payment_methods.find((each) => each.is_default) ?? methods.data?.payment_methods[0];
  const free = it.status === "available";

  const checkPromo = async () => {
    setPromoProblem("");
    try {
      setChecked(await ok(api.POST("/api/v1/pricing/quote", { body: { vehicle_type: type, estimated_duration_minutes: MINUTES, promo_code: promo.trim() } })));
    } catch (error) {
      setChecked(null);
      setPromoProblem(errorText(error));
    }
  };
  const book = async (rideNow: boolean) => {
    setBusy(true);
    setProblem(null);
    try {
      const { booking } = await ok(
        api.POST("/api/v1/bookings", { body: { vehicle_id: it.id, business_trip: business, ...(checked ? { promo_code: promo.trim() } : {}) } }),
      );
      keep("scanned", rideNow ? booking.id : null);
      tripIs({ booking, vehicle: it });
      await go({ to: "/trip" });
    } catch (error) {
      if (error instanceof ApiProblem && error.code === "VEHICLE_UNAVAILABLE") setProblem(error);
      else toast.bad(error);
    }
    setBusy(false);
  };
  const shown = checked ?? quote.data;

  return (
    <div className={classes.sheet}>
      <Group justify="space-between" wrap="nowrap" align="start">
        <Group gap="sm" wrap="nowrap">
          <span className={classes.badge} data-large><Icon name={vehicleIcon(type)} size={32} /></span>
          <div>
            <Title order={1} size="h3">{t(`type.${type}` as Key)} <span className={classes.code}>{it.identifier}</span></Title>
            <Text size="sm" c="dimmed">{it.brand && !it.model.startsWith(it.brand) ? `${it.brand} ${it.model}` : it.model}</Text>
          </div>
        </Group>
        <ActionIcon variant="subtle" color="gray" size={44} radius="xl" aria-label={t("close")} onClick={onClose}><Icon name="close" /></ActionIcon>
      </Group>
      {it.warning && <div className={classes.warning}><Icon name="alert" size={18} />{t("vehicle.silent")}</div>}
      <dl className={classes.facts}>
        <div><dt>{t("vehicle.battery")}</dt><dd>{it.battery.level === null ? "–" : <><Battery level={it.battery.level} size={26} /> {percent(it.battery.level)}</>}</dd></div>
        <div><dt>{t("vehicle.range")}</dt><dd>{it.battery.estimated_range === null ? "–" : `${number(it.battery.estimated_range)} km`}</dd></div>
        <div><dt>{t("vehicle.away")}</dt><dd>{metres === null ? "–" : distance(metres)}</dd><dd className={classes.small}>{metres !== null && metres < FAR_M && t("find.walk", { minutes: walk(metres) })}</dd></div>
      </dl>
      {it.pricing && (
        <div className={classes.price}>
          <Text fw={650} size="lg" className="figures">{t("vehicle.perMinute", { price: price(it.pricing.price_per_minute, it.pricing.currency) })}</Text>
          <Text size="sm" c="dimmed" className="figures">
            {t("vehicle.baseFee", { price: money(it.pricing.base_fee, it.pricing.currency) })}
            {shown && <> · {t("vehicle.about", { price: money(shown.estimated_cost, shown.currency), minutes: MINUTES })}</>}
          </Text>
        </div>
      )}
      {(currentUser()?.roles ?? []).includes("business_user") || business ? <Purpose /> : null}
      <div>
        <Anchor component="button" type="button" size="sm" display="inline-flex" style={{ alignItems: "center", gap: "0.4rem" }} aria-expanded={promoShown} onClick={() => setPromoShown(!promoShown)}><Icon name="tag" size={16} />{t("vehicle.promo")}</Anchor>
        <Collapse expanded={promoShown}>
          <Group gap="xs" mt="xs" align="end" wrap="nowrap">
            <TextInput flex={1} label={t("vehicle.promo")} labelProps={{ className: "sr-only" }} placeholder="WELCOME10" value={promo} onChange={(e) => { setPromo(e.currentTarget.value.toUpperCase()); setChecked(null); }} error={promoProblem || undefined} />
            <Button variant="light" onClick={() => void checkPromo()} disabled={!promo.trim()}>{t("vehicle.promoCheck")}</Button>
          </Group>
          {checked && <Text size="sm" c="var(--good)" fw={600} mt={4} role="status">{t("vehicle.promoOk", { price: money(-checked.cost_breakdown.promo_discount, checked.currency) })}</Text>}
        </Collapse>
      </div>
      {problem && (
        <div role="alert" className={classes.taken}>
          <Text fw={600}>{errorText(problem)}</Text>
          <Others problem={problem} onOther={(other) => { setProblem(null); onOther(other); }} />
        </div>
      )}
      {!free && !problem && <Text role="status" c="var(--danger)" fw={600}>{t("vehicle.unavailable")}</Text>}
      <Stack gap="xs" className={classes.actions}>
        {methods.data && !card ? (
          <LinkButton size="lg" to="/wallet" leftSection={<Icon name="card" />}>{t("vehicle.addPayment")}</LinkButton>
        ) : (
          <>
            <Button size="lg" loading={busy} disabled={!free} onClick={() => void book(false)}>{t("vehicle.reserve")}</Button>
            <Button size="lg" variant="light" disabled={!free || busy} onClick={() => void book(true)} leftSection={<Icon name="unlock" />}>{t("vehicle.ride")}</Button>
            <Text size="xs" c="dimmed" ta="center">{t("vehicle.hold", { minutes: HOLD_MINUTES })}</Text>
          </>
        )}
        {card && <Text size="sm" ta="center" c="dimmed">{t("vehicle.payWith", { label: named(card) })} · <Anchor component={Link} to="/wallet">{t("vehicle.change")}</Anchor></Text>}
      </Stack>
    </div>
  );
}

function Back({ onClose }: { onClose: () => void }) {
  const t = useWords();
  return <Group justify="end" p="sm"><ActionIcon variant="subtle" color="gray" size={44} radius="xl" aria-label={t("close")} onClick={onClose}><Icon name="close" /></ActionIcon></Group>;
}

/** RNT-16: what else is near. */
function Others({ problem, onOther }: { problem: ApiProblem; onOther: (id: string) => void }) {
  const t = useWords();
  const others = (problem.details.alternatives ?? []) as Alternative[];
  return (
    <ul className={classes.rows}>
      {others.map((each) => (
        <li key={each.id}>
          <Button fullWidth variant="default" justify="space-between" leftSection={<Icon name={vehicleIcon(each.type)} size={20} />} rightSection={<Icon name="chevron" size={18} />} onClick={() => onOther(each.id)}>
            {t(`type.${each.type}` as Key)} · {distance(each.distance_meters)}{each.battery !== null && ` · ${percent(each.battery)}`}
          </Button>
        </li>
      ))}
    </ul>
  );
}
