// The parts of a screen as links: the part shown stands in the address (`?part=`).
import { useQueryPart } from "../shell/place";
import { Go } from "../shell/place";
import { useLocation } from "@tanstack/react-router";
import classes from "./office.module.css";

/** The part that is shown: the first when the address names none. */
export function usePart<Name extends string>(names: readonly Name[]): Name {
  const [query] = useQueryPart();
  return names.find((name) => name === query.part) ?? (names[0] as Name);
}

export function Parts<Name extends string>({ label, of, now }: { label: string; of: readonly (readonly [Name, string])[]; now: Name }) {
  const { pathname } = useLocation();
  return (
    <nav aria-label={label} className={classes.parts}>
      {of.map(([name, text], i) => (
        <Go key={name} to={pathname} query={i === 0 ? {} : { part: name }} className={classes.part} aria-current={name === now ? "page" : undefined}>{text}</Go>
      ))}
    </nav>
  );
}
