import { Text, UnstyledButton } from "@mantine/core";
import { distance, percent, price, walk } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { useWords, type Key } from "../text";
import { Battery } from "./Battery";
import classes from "./find.module.css";
import type { Found } from "./search";

export function VehicleRow({ vehicle, onChoose }: { vehicle: Found & { metres?: number }; onChoose: () => void }) {
  const t = useWords();
  const metres = vehicle.metres ?? vehicle.distance_meters;
  return (
    <UnstyledButton className={classes.row} onClick={onChoose}>
      <span className={classes.badge}><Icon name={vehicleIcon(vehicle.type)} size={26} /></span>
      <span className={classes.rowText}>
        <strong>{t(`type.${vehicle.type}` as Key)} <span className={classes.code}>{vehicle.identifier}</span></strong>
        <Text span size="sm" c="dimmed">{distance(metres)} · {t("find.walk", { minutes: walk(metres) })}<span className={classes.model}>{vehicle.model}</span></Text>
      </span>
      <span className={classes.rowEnd}>
        <span className="figures">{t("vehicle.perMinute", { price: price(vehicle.price_per_minute, vehicle.currency) })}</span>
        {vehicle.battery !== null && <span className={classes.charge}><Battery level={vehicle.battery} />{percent(vehicle.battery)}</span>}
      </span>
    </UnstyledButton>
  );
}
