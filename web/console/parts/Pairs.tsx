import { Fragment, type ReactNode } from "react";
import classes from "./parts.module.css";

/** Names and values of one thing; values that are null, false or empty are left out. */
export function Pairs({ of }: { of: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className={classes.pair}>
      {of.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "").map(([name, value]) => (
        <Fragment key={name}><dt>{name}</dt><dd>{value}</dd></Fragment>
      ))}
    </dl>
  );
}
