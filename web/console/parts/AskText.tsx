// One line of text asked for in a small dialogue: a name, a reason.
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useWords } from "../text";

interface AskTextProps {
  title: string;
  label: string;
  go: string;
  initial?: string;
  isNeeded?: boolean;
  onDone: (text: string) => void;
  onClose: () => void;
}

export function AskText({ title, label, go, initial = "", isNeeded = true, onDone, onClose }: AskTextProps) {
  const t = useWords();
  const [text, setText] = useState(initial);
  const done = () => {
    onClose();
    onDone(text.trim());
  };
  return (
    <Modal opened onClose={onClose} title={title} size="sm" closeButtonProps={{ "aria-label": t("close") }}>
      <form onSubmit={(e) => { e.preventDefault(); done(); }}>
        <Stack>
          <TextInput data-autofocus label={label} value={text} maxLength={200} onChange={(e) => setText(e.currentTarget.value)} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
            <Button type="submit" disabled={isNeeded && !text.trim()}>{go}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
