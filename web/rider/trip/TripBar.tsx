// On every screen while something is running: what it is, and the way back to it.
import { Link } from "@tanstack/react-router";
import { countdown } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { useWords } from "../text";
import { secondsUntil, useNow } from "./clock";
import type { TripNow } from "./current";
import classes from "./trip.module.css";

export function TripBar({ trip: { booking, vehicle } }: { trip: TripNow }) {
  const t = useWords();
  const now = useNow();
  const riding = booking.status === "in_progress";
  return (
    <Link to="/trip" className={classes.bar} data-riding={riding || undefined}>
      <Icon name={vehicleIcon(booking.vehicle.type)} size={26} />
      <span className={classes.barText}>
        <strong>{riding ? t("ride.live") : t("trip.reserved")}</strong>
        <span>{vehicle?.identifier ?? t(`type.${booking.vehicle.type}` as "type.scooter")}</span>
      </span>
      {!riding && <span className="figures">{t("trip.left", { time: countdown(secondsUntil(booking.expires_at, now)) })}</span>}
      <span className={classes.barGo}><span className={riding ? undefined : classes.wide}>{riding ? t("ride.end") : t("trip.open")}</span><Icon name="chevron" size={18} /></span>
    </Link>
  );
}
