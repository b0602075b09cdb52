import { Skeleton, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./parts.module.css";

/** A part of a screen with a heading of its own. */
export function Card({ title, beside, children }: { title?: string; beside?: ReactNode; children: ReactNode }) {
  return (
    <section className={classes.card}>
      {title && (
        <div style={{ display: "flex", alignItems: "center", gap: "0.75rem", minHeight: "2rem", marginBottom: "0.4rem" }}>
          <Title order={2} size="h4" flex={1}>{title}</Title>
          {beside}
        </div>
      )}
      {children}
    </section>
  );
}

/** One figure; `null` while it is being asked for. */
export function Figure({ label, value, more, tone }: { label: string; value: ReactNode | null; more?: ReactNode; tone?: string }) {
  return (
    <section className={classes.card} aria-label={label}>
      <Text size="sm" c="dimmed">{label}</Text>
      {value === null ? <Skeleton h={32} w={90} my={2} /> : <div className={classes.figure} style={tone ? { color: `var(--${tone})` } : {}}>{value}</div>}
      {more && <Text size="sm" c="dimmed" component="div">{more}</Text>}
    </section>
  );
}

export const Cards = ({ children }: { children: ReactNode }) => <div className={classes.grid}>{children}</div>;
