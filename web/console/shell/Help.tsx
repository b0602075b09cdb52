import { Kbd, Modal, Stack, Table, Text } from "@mantine/core";
import { keysNow } from "@lib/keys";
import { useState } from "react";
import { useWords } from "../text";

/** All keys that hold on the screen under it. */
export function Help({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const [keys] = useState(() => [...new Map(keysNow().map((key) => [key.keys, key])).values()]);
  return (
    <Modal opened onClose={onClose} title={t("shell.help")} closeButtonProps={{ "aria-label": t("close") }}>
      <Stack>
        <Text size="sm" c="dimmed">{t("shell.helpHint")}</Text>
        <Table verticalSpacing={5} withRowBorders={false}>
          <Table.Tbody>
            {keys.map((key) => (
              <Table.Tr key={key.keys}>
                <Table.Td>{key.what}</Table.Td>
                <Table.Td ta="right">{key.keys.split(" ").map((one) => <Kbd key={one} ml={4}>{one === "Escape" ? "Esc" : one}</Kbd>)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Stack>
    </Modal>
  );
}
