// What a screen shows when it has nothing yet, nothing at all, or something went wrong.
import { Button, Skeleton, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { errorText } from "./errors";
import { useText } from "./i18n";
import { Icon, type IconName } from "./icons";

export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl" px="md" ta="center">
      <ThemeIcon size={56} radius="xl" variant="light"><Icon name={icon} size={28} /></ThemeIcon>
      <Title order={3}>{title}</Title>
      {children && <Text c="dimmed" maw={380}>{children}</Text>}
      {action}
    </Stack>
  );
}

export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const t = useText<"tryAgain" | "failed">();
  return (
    <div role="alert">
      <Empty icon="alert" title={t("failed")} action={again && <Button variant="light" onClick={again}>{t("tryAgain")}</Button>}>
        {errorText(error)}
      </Empty>
    </div>
  );
}

/** Rows that are about to be there. */
export function Rows({ count = 5, height = 64 }: { count?: number; height?: number }) {
  const t = useText<"loading">();
  return (
    <Stack gap="sm" role="status" aria-label={t("loading")}>
      {Array.from({ length: count }, (_, i) => <Skeleton key={i} height={height} radius="md" />)}
    </Stack>
  );
}
