// The drawer at the right edge for one thing of a list. Its address has the thing (`?v=SC001`), so it can
// be sent and "back" closes it. Not modal: the list beside it stays usable, j/k go on to the next.
import { ActionIcon, Title } from "@mantine/core";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { useMemo, type ReactNode } from "react";
import { useWords } from "../text";
import classes from "./parts.module.css";

interface PanelProps {
  title: ReactNode;
  label: string;
  onClose: () => void;
  /** Beside the title. */
  actions?: ReactNode;
  width?: number;
  children: ReactNode;
}

export function Panel({ title, label, onClose, actions, width = 440, children }: PanelProps) {
  const t = useWords();
  useKeys(useMemo(() => [{ keys: "Escape", what: t("shell.key.close"), run: onClose }], [onClose, t]));
  return (
    <aside className={classes.panel} aria-label={label} style={{ width: `min(${width}px, 100vw)` }}>
      <div className={classes.panelHead}>
        <Title order={2} size="h3" flex={1}>{title}</Title>
        {actions}
        <ActionIcon variant="subtle" color="gray" size={36} aria-label={t("close")} onClick={onClose}><Icon name="close" size={18} /></ActionIcon>
      </div>
      <div className={classes.panelBody} tabIndex={-1}>{children}</div>
    </aside>
  );
}
