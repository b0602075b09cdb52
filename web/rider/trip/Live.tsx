// The ride itself. End is always there, whatever else is not.
import { Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { useStream } from "@lib/api/stream";
import { ago, countdown, distance, money, percent, speed } from "@lib/format";
import { Icon } from "@lib/icons";
import { toast } from "@lib/toast";
import { lazy, Suspense, useEffect, useState } from "react";
import { LinkButton } from "../link";
import { keep, kept, useKept } from "../keep";
import { useWords } from "../text";
import { useOnline } from "../shell/online";
import { useNow } from "./clock";
import { useLookAgain, type TripNow } from "./current";
import { End } from "./End";
import { useQueue } from "./queue";
import { speedNow, type Ride } from "./speed";
import classes from "./trip.module.css";
import { useZoneHere, type ZoneAnswer } from "./zone";

const TripMap = lazy(() => import("./TripMap"));

interface Known {
  id: string;
  started: string | null;
  ride: Ride | null;
}

export function Live({ trip: { booking, vehicle } }: { trip: TripNow }) {
  const t = useWords();
  const now = useNow();
  const online = useOnline();
  const again = useLookAgain();
  const id = booking.id.replace("book_", "rent_");
  const before = kept<Known>("ride");
  const known = before?.id === id ? before : null;
  const [ride, setRide] = useState<Ride | null>(known?.ride ?? null);
  const [ending, setEnding] = useState(false);
  const [target, setTarget] = useState<[number, number] | null>(null);
  const endIsQueued = useQueue().some((each) => each.kind === "end" && each.rental === id);
  const { data: rental } = useQuery({
    queryKey: ["rental", id],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}", { params: { path: { rental_id: id } } })),
    staleTime: Infinity,
  });
  const started = rental?.start_time ?? known?.started ?? null;
  const stream = useStream(`/api/v1/rentals/${id}/live`, (name, data) => {
    if (name === "ride") setRide(data as Ride);
  });
  useEffect(() => {
    if (ride || started) keep("ride", { id, started, ride } satisfies Known);
    if (ride && ride.status !== "active" && ride.status !== "in_progress") void again();
  }, [ride, started, id]); // eslint-disable-line react-hooks/exhaustive-deps

  const here = ride?.current_location ?? (vehicle?.location ? { latitude: vehicle.location.latitude, longitude: vehicle.location.longitude } : null);
  const zone = useZoneHere(here, booking.vehicle.type);
  const spot: [number, number] | null = here ? [here.longitude, here.latitude] : null;

  return (
    <div className={classes.screen}>
      <div className={classes.half}>
        <Suspense fallback={null}>
          <TripMap
            label={t("ride.route")} vehicle={spot} type={booking.vehicle.type} target={target}
            route={ride?.route.map((p) => [p.longitude, p.latitude] as [number, number]) ?? []}
          />
        </Suspense>
      </div>
      <Stack className={classes.sheet} gap="md">
        <Group justify="space-between" align="end" wrap="nowrap">
          <div>
            <Text size="sm" c="dimmed" component="h1">{t("ride.live")} · {vehicle?.identifier}</Text>
            <span className={`${classes.big} figures`} aria-label={t("ride.cost")}>
              {money(ride?.current_cost ?? 0, ride?.currency ?? booking.currency)}
            </span>
          </div>
          <span className={classes.timer} role="timer" aria-label={t("ride.time")}>
            {started ? countdown((now - new Date(started).getTime()) / 1000) : "–"}
          </span>
        </Group>
        <Figures ride={ride} now={now} battery={vehicle?.battery.level ?? null} />
        {!ending && <Hints zone={zone.data} />}
        {online && stream === "lost" && <Text size="sm" c="dimmed" role="status">{t("ride.lost")}</Text>}
        {ending ? (
          <End
            rental={id} type={booking.vehicle.type} here={here} isQueued={endIsQueued}
            onBack={() => { setEnding(false); setTarget(null); }} onTarget={setTarget}
          />
        ) : (
          <>
            <Pause rental={id} vehicle={booking.vehicle.id} booking={booking.id} />
            <Button size="lg" color="red" variant="filled" leftSection={<Icon name="flag" />} onClick={() => setEnding(true)}>{t("ride.end")}</Button>
            <LinkButton variant="subtle" color="gray" to="/help" search={{ v: booking.vehicle.id }}>{t("ride.help")}</LinkButton>
          </>
        )}
      </Stack>
    </div>
  );
}

function Figures({ ride, now, battery }: { ride: Ride | null; now: number; battery: number | null }) {
  const t = useWords();
  const last = ride?.route.at(-1);
  const quiet = last && now - new Date(last.timestamp).getTime() > 60_000;
  return (
    <>
      <dl className={classes.figures}>
        <div><dt>{t("ride.distance")}</dt><dd>{distance((ride?.distance_traveled ?? 0) * 1000)}</dd></div>
        <div><dt>{t("ride.speed")}</dt><dd>{speed(speedNow(ride, now))}</dd></div>
        <div><dt>{t("vehicle.battery")}</dt><dd>{battery === null ? "–" : percent(Math.max(0, battery - (ride?.battery_consumed ?? 0)))}</dd></div>
      </dl>
      {quiet && <Text size="xs" c="dimmed">{t("ride.stale", { ago: ago(last.timestamp, now) })}</Text>}
    </>
  );
}

/** What holds where the vehicle is now. */
function Hints({ zone }: { zone: ZoneAnswer | undefined }) {
  const t = useWords();
  if (!zone) return <div className={classes.hints} />;
  const { parking } = zone;
  return (
    <div className={classes.hints} role="status" aria-live="polite">
      {zone.speed_limit_kmh !== null && (
        <span className={classes.hint} data-kind="slow"><Icon name="alert" size={18} />{t("ride.slow", { speed: speed(zone.speed_limit_kmh) })}</span>
      )}
      {zone.decision === "outside" && <span className={classes.hint} data-kind="no"><Icon name="alert" size={18} />{t("ride.outside")}</span>}
      {zone.decision !== "outside" && !parking.allowed && (
        <span className={classes.hint} data-kind="no">
          <Icon name="close" size={18} />{parking.reason === "no_go" ? t("ride.noGo") : t("ride.noParking")}
        </span>
      )}
      {parking.allowed && (parking.bonus_amount ?? 0) > 0 && (
        <span className={classes.hint} data-kind="good"><Icon name="gift" size={18} />{t("ride.good", { bonus: money(parking.bonus_amount ?? 0) })}</span>
      )}
      {parking.allowed && !parking.bonus_amount && (
        <span className={classes.hint} data-kind="good"><Icon name="check" size={18} />{t("ride.canPark")}</span>
      )}
    </div>
  );
}

function Pause({ rental, vehicle, booking }: { rental: string; vehicle: string; booking: string }) {
  const t = useWords();
  const paused = useKept<string>("paused") === rental;
  const [busy, setBusy] = useState(false);
  const turn = async () => {
    setBusy(true);
    const params = { params: { path: { vehicle_id: vehicle } }, body: { booking_id: booking } };
    try {
      await ok<Schema<"LockAnswer">>(paused ? api.POST("/api/v1/vehicles/{vehicle_id}/unlock", params) : api.POST("/api/v1/vehicles/{vehicle_id}/lock", params));
      keep("paused", paused ? null : rental);
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <>
      {paused && <Text size="sm" fw={600} role="status">{t("ride.paused")}</Text>}
      <Button size="lg" variant="light" onClick={() => void turn()} disabled={busy} leftSection={<Icon name={paused ? "unlock" : "lock"} />}>
        {busy ? (paused ? t("ride.resuming") : t("ride.pausing")) : paused ? t("ride.resume") : t("ride.pause")}
      </Button>
    </>
  );
}
