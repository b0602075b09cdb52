// A reservation: walk there, look the vehicle over, unlock.
import { Button, Checkbox, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { countdown, percent } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { toast } from "@lib/toast";
import { lazy, Suspense, useState } from "react";
import { LinkButton } from "../link";
import { kept, keep } from "../keep";
import { FaultForm } from "../account/FaultForm";
import { useWords, type Key } from "../text";
import { secondsUntil, useNow } from "./clock";
import { useLookAgain, useTripIs, type TripNow } from "./current";
import { Progress } from "./Progress";
import classes from "./trip.module.css";
import { useUnlocking } from "./unlocking";

const TripMap = lazy(() => import("./TripMap"));
const CHECKS: Key[] = ["trip.checkTyres", "trip.checkBrakes", "trip.checkLights", "trip.checkHelmet"];

export function Reserved({ trip }: { trip: TripNow }) {
  const { booking, vehicle } = trip;
  const t = useWords();
  const again = useLookAgain();
  const tripIs = useTripIs();
  const now = useNow();
  const isThere = kept<string>("scanned") === booking.id;
  const [stage, setStage] = useState<"walk" | "check" | "fault">(isThere ? "check" : "walk");
  const [cancelling, setCancelling] = useState(false);
  const unlocking = useUnlocking(booking);
  const left = secondsUntil(booking.expires_at, now);
  const place = vehicle?.location;

  const cancel = async () => {
    setCancelling(true);
    try {
      await ok(api.POST("/api/v1/bookings/{booking_id}/cancel", { params: { path: { booking_id: booking.id } } }));
      keep("scanned", null);
      tripIs(null);
      toast.plain(t("trip.cancelled"));
    } catch (error) {
      toast.bad(error);
      await again();
    }
    setCancelling(false);
  };

  return (
    <div className={classes.screen}>
      <div className={classes.half}>
        <Suspense fallback={null}>
          <TripMap label={t("find.list")} vehicle={place ? [place.longitude, place.latitude] : null} type={booking.vehicle.type} />
        </Suspense>
      </div>
      <Stack className={classes.sheet} gap="md">
        <Group justify="space-between" wrap="nowrap" align="start">
          <Group gap="sm" wrap="nowrap">
            <span className={classes.badge}><Icon name={vehicleIcon(booking.vehicle.type)} size={28} /></span>
            <div>
              <Title order={1} size="h3">{vehicle?.identifier ?? t(`type.${booking.vehicle.type}` as Key)}</Title>
              <Text c="dimmed" size="sm">
                {vehicle?.model}{typeof vehicle?.battery.level === "number" && ` · ${percent(vehicle.battery.level)}`}
              </Text>
            </div>
          </Group>
          <div className={classes.timer} data-low={left < 60 || undefined} role="timer" aria-label={t("trip.left", { time: countdown(left) })}>
            {countdown(left)}
          </div>
        </Group>

        {unlocking.state ? (
          <Progress
            state={unlocking.state} now={now}
            onRetry={() => void unlocking.run()} onChallenge={() => void unlocking.challenge()} onBack={() => { unlocking.reset(); void again(); }}
            onFault={() => { unlocking.reset(); setStage("fault"); }}
          />
        ) : stage === "walk" ? (
          <>
            <Text>{left > 0 ? t("trip.goThere") : t("trip.expired")}</Text>
            <Stack gap="xs">
              <LinkButton size="lg" to="/scan" leftSection={<Icon name="qr" />}>{t("trip.scan")}</LinkButton>
              <Button size="lg" variant="light" onClick={() => setStage("check")}>{t("trip.atVehicle")}</Button>
            </Stack>
          </>
        ) : stage === "check" ? (
          <Paper withBorder p="md" radius="md" bg="var(--card)">
            <Stack gap="sm">
              <Title order={2} size="h4">{t("trip.checkTitle")}</Title>
              <Text size="sm" c="dimmed">{t("trip.checkText")}</Text>
              {CHECKS.map((each) => <Checkbox key={each} label={t(each)} />)}
              <Button size="lg" leftSection={<Icon name="unlock" />} onClick={() => void unlocking.run()}>{t("trip.unlock")}</Button>
              <Button variant="subtle" color="red" onClick={() => setStage("fault")}>{t("trip.fault")}</Button>
            </Stack>
          </Paper>
        ) : (
          <FaultForm
            vehicle={booking.vehicle.id} name={vehicle?.identifier ?? ""}
            onDone={(unsafe) => (unsafe ? void cancel() : setStage("check"))} onBack={() => setStage("check")}
          />
        )}
        {(!unlocking.state || unlocking.state.problem) && (
          <Button variant="subtle" color="gray" loading={cancelling} onClick={() => void cancel()}>{t("trip.cancel")}</Button>
        )}
      </Stack>
    </div>
  );
}
