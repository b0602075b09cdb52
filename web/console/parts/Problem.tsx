// An error of the API with the number of its request, so that it can be found in the logs.
import { Code, Stack } from "@mantine/core";
import { ApiProblem } from "@lib/errors";
import { Failed } from "@lib/states";
import { useWords } from "../text";

export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const t = useWords();
  const id = error instanceof ApiProblem ? error.requestId : "";
  return (
    <Stack gap={0} align="center">
      <Failed error={error} {...(again ? { again } : {})} />
      {id && <Code>{t("shell.requestId", { id })}</Code>}
    </Stack>
  );
}
