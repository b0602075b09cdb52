// The head of a screen and its body. `fill`: the body takes the height that is left (tables, maps).
import { Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./parts.module.css";

interface PageProps {
  title: ReactNode;
  /** Beside the title: a state, a figure. */
  beside?: ReactNode;
  /** At the right: the buttons of the screen, the most important last. */
  actions?: ReactNode;
  /** Below the title: tabs, filters. */
  below?: ReactNode;
  fill?: boolean;
  children: ReactNode;
}

export function Page({ title, beside, actions, below, fill = false, children }: PageProps) {
  return (
    <div className={classes.page} data-fill={fill || undefined}>
      <div className={classes.head}>
        <Title order={1} size="h2">{title}</Title>
        {beside}
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      {below && <div className={classes.below}>{below}</div>}
      <div className={classes.body}>{children}</div>
    </div>
  );
}
