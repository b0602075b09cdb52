// Status and battery of a vehicle as everywhere in the console: the map's shape, its colour, and the word.
import { Icon, vehicleIcon } from "@lib/icons";
import { percent } from "@lib/format";
import { useNames } from "../text";
import { statusTone } from "./marks";
import classes from "./fleet.module.css";

const PATHS: Record<string, string> = {
  available: "M7 1.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11",
  reserved: "M7 .5 13.500 7 7 13.500.5 7z",
  in_use: "M7 .5 13 13 7 10.300 1 13z",
  maintenance: "M3 1.500h8a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500H3A1.500 1.500 0 0 1 1.500 11V3A1.500 1.500 0 0 1 3 1.500",
  offline: "M7 1.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11M7 4.200a2.800 2.800 0 1 1 0 5.600a2.800 2.800 0 1 1 0-5.600",
  retired: "M2 1 7 5.500 12 1l1 1-4.500 5L13 12l-1 1-5-4.500L2 13l-1-1 4.500-5L1 2z",
};

export function Shape({ status }: { status: string }) {
  return (
    <svg className={classes.shape} width={14} height={14} viewBox="0 0 14 14" aria-hidden focusable="false" style={{ "--of": `var(--${statusTone(status)})` } as React.CSSProperties}>
      <path d={PATHS[status] ?? PATHS.available} fill="currentColor" fillRule="evenodd" />
    </svg>
  );
}

export function StatusName({ status }: { status: string }) {
  const n = useNames();
  return <span className={classes.kind}><Shape status={status} />{n(status === "retired" ? "fleet.retired" : `status.${status}`)}</span>;
}

export function Battery({ level }: { level: number | null }) {
  if (level === null) return "–";
  const fill = level <= 20 ? "danger" : level <= 40 ? "notice" : "good";
  return <span className={classes.battery}><i style={{ "--level": `${level}%`, "--fill": `var(--${fill})` } as React.CSSProperties} aria-hidden="true" /><span className="figures">{percent(level)}</span></span>;
}

export function Kind({ type }: { type: string }) {
  const n = useNames();
  return <span className={classes.kind}><Icon name={vehicleIcon(type)} size={18} />{n(`type.${type}`)}</span>;
}
