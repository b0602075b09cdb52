// A state as a coloured shape and a word: never the colour alone.
import classes from "./parts.module.css";

/** `tone` is a colour token of lib/tokens.css: available, danger, notice, good, offline, brand ... */
export function State({ tone, children }: { tone: string; children: string }) {
  return <span className={classes.state}><span className={classes.dot} style={{ color: `var(--${tone})` }} />{children}</span>;
}
