// A form over the screen: for what needs more than one click, and for what cannot be taken back. The
// platform's complaint stands above the buttons, and at the field when it is about one.
import { Alert, Button, Code, Group, Modal, Stack } from "@mantine/core";
import { ApiProblem, errorText } from "@lib/errors";
import { useState, type FormEvent, type ReactNode } from "react";
import { useWords } from "../text";

/** For fields that stand side by side: their hints below them, so that the fields are in one line. */
export const HINT_BELOW = { inputWrapperOrder: ["label", "input", "description", "error"] as ("label" | "input" | "description" | "error")[] };

/** `at("amount")`: what the platform found wrong with this field. */
export type FieldError = (field: string) => string | undefined;

interface FormDialogProps {
  title: string;
  submit: string;
  danger?: boolean;
  disabled?: boolean;
  size?: string;
  onClose: () => void;
  /** Closes by itself when this is done, unless it answers `false`. */
  onSubmit: () => Promise<unknown>;
  children: ReactNode | ((at: FieldError) => ReactNode);
}

export function FormDialog({ title, submit, danger = false, disabled = false, size = "md", onClose, onSubmit, children }: FormDialogProps) {
  const t = useWords();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const details = problem instanceof ApiProblem ? problem.details : {};
  const at: FieldError = (field) => (details.field === field && typeof details.issue === "string" ? details.issue : undefined);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      if ((await onSubmit()) !== false) onClose();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} size={size} centered closeButtonProps={{ "aria-label": t("close") }}>
      <form onSubmit={(event) => void send(event)} noValidate>
        <Stack>
          {typeof children === "function" ? children(at) : children}
          {problem !== null && (
            <Alert color="red" variant="light" role="alert">
              {errorText(problem)}
              {problem instanceof ApiProblem && problem.requestId && <Code ml={6}>{t("shell.requestId", { id: problem.requestId })}</Code>}
            </Alert>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
            <Button type="submit" loading={busy} disabled={disabled} {...(danger ? { color: "red" } : {})}>{submit}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
