// Ending: may it stand here, a photo, and then the meter stops. The photo follows; a bad network
// must not make a ride longer.
import "@mantine/core/styles/Progress.css";
import { Button, FileButton, Progress, Stack, Text, Title } from "@mantine/core";
import { ApiProblem, errorText } from "@lib/errors";
import { distance, money } from "@lib/format";
import { Icon } from "@lib/icons";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { keep } from "../keep";
import { placeNow } from "../find/place";
import { useOnline } from "../shell/online";
import { useWords } from "../text";
import { useLookAgain } from "./current";
import { endRide, enqueue, type Ended } from "./queue";
import classes from "./trip.module.css";
import { putPhoto, shrunk } from "./upload";
import { checkPlace, type Spot, type ZoneAnswer } from "./zone";

interface Props {
  rental: string;
  type: string;
  here: { latitude: number; longitude: number } | null;
  isQueued: boolean;
  onBack: () => void;
  onTarget: (place: [number, number] | null) => void;
}
type Nearest = { latitude: number; longitude: number; distance_meters: number; zone_name?: string | null };

export function End({ rental, type, here, isQueued, onBack, onTarget }: Props) {
  const t = useWords();
  const online = useOnline();
  const again = useLookAgain();
  const [photo, setPhoto] = useState<string | null>(null);
  const [busy, setBusy] = useState<"" | "ending" | "uploading">("");
  const [sent, setSent] = useState(0);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const key = useRef(crypto.randomUUID());
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  // The vehicle's own word counts; the phone's only where the vehicle is silent.
  const spot: Spot | null = here ?? placeNow();
  const zone = useQuery({
    queryKey: ["end", rental, spot?.latitude, spot?.longitude],
    queryFn: () => checkPlace(spot as Spot, type),
    enabled: spot !== null && online,
  });

  const end = async () => {
    setBusy("ending");
    setProblem(null);
    const phone = placeNow();
    const place = phone ? { latitude: phone.latitude, longitude: phone.longitude } : null;
    try {
      if (!navigator.onLine) throw new ApiProblem(0, "NO_NETWORK", "");
      const receipt = await endRide(rental, place, key.current);
      let photoIs: Ended["photo"] = "none";
      if (photo) {
        setBusy("uploading");
        photoIs = await putPhoto(rental, photo, setSent).then(() => "sent" as const, () => "later" as const);
        if (photoIs === "later") enqueue({ kind: "photo", rental, photo });
      }
      keep("trip", null);
      keep("ride", null);
      keep("scanned", null);
      keep("ended", { receipt, photo: photoIs } satisfies Ended);
      await again();
    } catch (thrown) {
      const failed = thrown instanceof ApiProblem ? thrown : new ApiProblem(0, "UNEXPECTED", "");
      if (failed.status === 0 || failed.status >= 500) enqueue({ kind: "end", rental, key: key.current, place, photo });
      else {
        setProblem(failed);
        key.current = crypto.randomUUID();
      }
    }
    setBusy("");
  };

  if (isQueued)
    return (
      <div className={`${classes.problem} ${classes.note}`} role="status">
        <Text fw={650}>{t("end.queued")}</Text>
      </div>
    );
  const refusedAt = problem?.code === "PARKING_NOT_ALLOWED" ? problem : null;
  return (
    <Stack gap="md">
      <Title order={2} size="h3" ref={heading} tabIndex={-1} style={{ outline: "none" }}>{t("end.title")}</Title>
      <Place zone={zone.data} isChecking={zone.isLoading} isOffline={!online} refused={refusedAt} onTarget={onTarget} />
      {problem && !refusedAt && <div className={classes.problem} role="alert"><Text fw={600}>{errorText(problem)}</Text></div>}
      <Text size="sm" c="dimmed">{t("end.parkWell")}</Text>
      <FileButton accept="image/*" capture="environment" onChange={(file) => file && void shrunk(file).then(setPhoto)}>
        {(props) =>
          photo ? (
            <Stack gap="xs">
              <img src={photo} alt={t("end.photoAlt")} className={classes.photo} />
              <Button variant="subtle" {...props}>{t("end.photoAgain")}</Button>
            </Stack>
          ) : (
            <button type="button" className={classes.shot} {...props}>
              <Icon name="camera" size={34} />{t("end.photo")}
            </button>
          )
        }
      </FileButton>
      {busy === "uploading" && (
        <div role="status">
          <Text size="sm">{t("end.uploading")}</Text>
          <Progress value={sent * 100} aria-label={t("end.uploading")} />
        </div>
      )}
      <Button size="lg" color="red" loading={busy !== ""} onClick={() => void end()} leftSection={<Icon name="flag" />}>
        {zone.data && !zone.data.parking.allowed && zone.data.parking.certainty === "sure" ? t("end.anyway") : t("end.confirm")}
      </Button>
      <Button variant="subtle" color="gray" onClick={onBack}>{t("end.back")}</Button>
    </Stack>
  );
}

interface PlaceProps {
  zone: ZoneAnswer | undefined;
  isChecking: boolean;
  isOffline: boolean;
  refused: ApiProblem | null;
  onTarget: (place: [number, number]) => void;
}

/** Whether it may end here, and if not why and where else (RNT-47). */
function Place({ zone, isChecking, isOffline, refused, onTarget }: PlaceProps) {
  const t = useWords();
  if (isOffline) return <div className={`${classes.problem} ${classes.note}`}><Text size="sm">{t("end.offline")}</Text></div>;
  if (isChecking && !refused) return <Text role="status" c="dimmed">{t("end.checking")}</Text>;
  const forbidden = refused !== null || (zone && !zone.parking.allowed);
  if (!forbidden) {
    if (!zone) return null;
    const bonus = zone.parking.bonus_amount;
    const words = zone.parking.certainty === "unsure" ? t("end.unsure") : bonus ? t("end.okBonus", { bonus: money(bonus) }) : t("end.ok");
    return <div className={`${classes.problem} ${classes.good}`} role="status"><Text fw={600}>{words}</Text></div>;
  }
  const why = refused ? refused.message : zone?.parking.message;
  const near = (refused ? refused.details.nearest : zone?.parking.nearest) as Nearest | null | undefined;
  return (
    <div className={classes.problem} role="alert">
      <Text fw={650}>{t("end.notHere")}</Text>
      {why && <Text size="sm">{why}</Text>}
      {near && (
        <>
          <Text size="sm" fw={600}>
            {near.zone_name ? t("end.nearestIn", { name: near.zone_name, distance: distance(near.distance_meters) }) : t("end.nearest", { distance: distance(near.distance_meters) })}
          </Text>
          <Button size="compact-md" variant="white" onClick={() => onTarget([near.longitude, near.latitude])}>{t("end.show")}</Button>
        </>
      )}
    </div>
  );
}
