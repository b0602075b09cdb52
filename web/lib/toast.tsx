// Short messages at the edge of the screen, with an undo where something can be taken back.
import { ActionIcon, Button, Paper, Text } from "@mantine/core";
import { useEffect, useSyncExternalStore } from "react";
import { errorText } from "./errors";
import { useText } from "./i18n";
import { Icon } from "./icons";
import classes from "./toast.module.css";

export interface Toast {
  id: number;
  text: string;
  kind: "good" | "bad" | "plain";
  undo?: () => void | Promise<void>;
  forMs: number;
}

let toasts: readonly Toast[] = [];
let last = 0;
const heard = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  heard.forEach((tell) => tell());
}

export function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

function show(text: string, kind: Toast["kind"], undo?: Toast["undo"]): number {
  last += 1;
  const forMs = undo ? 10_000 : kind === "bad" ? 9_000 : 5_000;
  set([...toasts.slice(-2), { id: last, text, kind, forMs, ...(undo ? { undo } : {}) }]);
  return last;
}

export const toast = {
  good: (text: string) => show(text, "good"),
  plain: (text: string) => show(text, "plain"),
  /** A sentence, or whatever was thrown. */
  bad: (thrown: unknown) => show(typeof thrown === "string" ? thrown : errorText(thrown), "bad"),
  /** Something was done that can be taken back for ten seconds. */
  undoable: (text: string, undo: () => void | Promise<void>) => show(text, "good", undo),
};

export function Toasts() {
  const shown = useSyncExternalStore((tell) => (heard.add(tell), () => heard.delete(tell)), () => toasts);
  return (
    <div className={classes.shelf} role="status" aria-live="polite">
      {shown.map((each) => <One key={each.id} toast={each} />)}
    </div>
  );
}

function One({ toast: each }: { toast: Toast }) {
  const t = useText<"undo" | "close">();
  useEffect(() => {
    const timer = setTimeout(() => dismiss(each.id), each.forMs);
    return () => clearTimeout(timer);
  }, [each]);
  const undo = async () => {
    dismiss(each.id);
    try {
      await each.undo?.();
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <Paper className={classes.toast} data-kind={each.kind} shadow="md" radius="md">
      <Icon name={each.kind === "bad" ? "alert" : "check"} size={20} />
      <Text size="sm" flex={1}>{each.text}</Text>
      {each.undo && <Button size="compact-sm" variant="subtle" onClick={() => void undo()}>{t("undo")}</Button>}
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t("close")} onClick={() => dismiss(each.id)}>
        <Icon name="close" size={16} />
      </ActionIcon>
    </Paper>
  );
}
