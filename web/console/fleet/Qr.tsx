import { Button, Stack, Text } from "@mantine/core";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { saveFile } from "../parts/csv";
import { Problem } from "../parts/Problem";
import { useWords } from "../text";
import { blobOf } from "./files";
import classes from "./fleet.module.css";

export function Qr({ id, identifier }: { id: string; identifier: string }) {
  const t = useWords();
  const found = useQuery({ queryKey: ["qr", id], queryFn: () => blobOf(`/api/v1/vehicles/${id}/qr.png?scale=10`), staleTime: Infinity });
  const blob = found.data;
  const address = useMemo(() => (blob ? URL.createObjectURL(blob) : ""), [blob]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  if (found.error) return <Problem error={found.error} />;
  if (!blob || !address) return <Rows count={1} height={200} />;
  return (
    <Stack align="center">
      <img className={classes.qr} src={address} alt={`${t("fleet.panel.qr")} ${identifier}`} />
      <Text size="sm" c="dimmed">{t("fleet.panel.qrHint")}</Text>
      <Button variant="light" size="sm" leftSection={<Icon name="download" size={15} />} onClick={() => saveFile(`${identifier}.png`, blob, "image/png")}>{t("fleet.panel.print")}</Button>
    </Stack>
  );
}
