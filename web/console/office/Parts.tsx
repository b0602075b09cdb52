// The parts of a screen as links: the part shown stands in the address (`?part=`).
import { textOf, useGo, useQueryPart } from "../shell/place";
import { useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import classes from "./office.module.css";

/** The part that is shown: the first when the address names none. */
export function usePart<Name extends string>(names: readonly Name[]): Name {
  const [query] = useQueryPart();
  return names.find((name) => name === query.part) ?? (names[0] as Name);
}

export function Parts<Name extends string>({ label, of, now }: { label: string; of: readonly (readonly [Name, string])[]; now: Name }) {
  const { pathname } = useLocation();
  const go = useGo();
  const place = pathname.replace(/^\/console/, "");
  const nav = useRef<HTMLElement>(null);
  // On a phone they do not all fit: the one that is shown is seen.
  useEffect(() => {
    // Not returned: newer browsers answer a promise, which React would take for the way to clean up.
    void nav.current?.querySelector("[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [now]);
  return (
    <nav ref={nav} aria-label={label} className={classes.parts}>
      {of.map(([name, text], i) => {
        const query: Record<string, string> = i === 0 ? {} : { part: name };
        // Not the router's link: that one calls itself current whenever the path is, whatever the part.
        return (
          <a key={name} href={`/console${place}${textOf(query)}`} className={classes.part} aria-current={name === now ? "page" : undefined}
            onClick={(e) => { if (!e.metaKey && !e.ctrlKey && !e.shiftKey) { e.preventDefault(); go(place, query); } }}>{text}</a>
        );
      })}
    </nav>
  );
}
