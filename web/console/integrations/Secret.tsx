// A secret that the platform shows once.
import { Alert, Button, Code, CopyButton, Group, Modal, Stack } from "@mantine/core";
import { useWords } from "../text";

export function Secret({ title, secret, onClose }: { title: string; secret: string; onClose: () => void }) {
  const t = useWords();
  return (
    <Modal opened onClose={onClose} title={title} centered closeButtonProps={{ "aria-label": t("close") }}>
      <Stack>
        <Alert color="amber" variant="light">{t("integrations.shownOnce")}</Alert>
        <Code block data-secret>{secret}</Code>
        <Group justify="flex-end">
          <CopyButton value={secret}>{({ copied, copy }) => <Button variant="default" onClick={copy}>{t(copied ? "integrations.copied" : "integrations.copy")}</Button>}</CopyButton>
          <Button onClick={onClose}>{t("close")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
