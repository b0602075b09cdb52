import { Button, Stack, Text, Title } from "@mantine/core";
import { masked, money } from "@lib/format";
import { Icon } from "@lib/icons";
import { useEffect, useRef } from "react";
import { useWords } from "../text";
import type { Ended } from "./queue";
import classes from "./trip.module.css";

/** Never a doubt about it: the ride has ended, and what it cost (RNT-49). */
export function Done({ ended: { receipt, photo }, onReceipt, onMap }: { ended: Ended; onReceipt: () => void; onMap: () => void }) {
  const t = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <Stack className={classes.done} align="center" gap="md" role="status">
      <span className={classes.tick}><Icon name="check" size={56} /></span>
      <Title order={1} ref={heading} tabIndex={-1} style={{ outline: "none" }}>{t("end.done")}</Title>
      <Text c="dimmed" ta="center">{t("end.doneText")}</Text>
      <div className={classes.total}>
        <Text c="dimmed" size="sm">{t("end.total")}</Text>
        <span className={`${classes.big} figures`}>{money(receipt.total_cost, receipt.currency)}</span>
        <Text c="dimmed" size="sm" className="figures">
          {t("receipt.paid", { method: masked(receipt.payment.payment_method) })}
        </Text>
      </div>
      {photo !== "none" && <Text size="sm">{photo === "sent" ? t("end.photoSent") : t("end.photoLater")}</Text>}
      <Stack gap="xs" w="100%" maw={360}>
        <Button size="lg" onClick={onReceipt}>{t("end.receipt")}</Button>
        <Button size="lg" variant="subtle" onClick={onMap}>{t("end.newRide")}</Button>
      </Stack>
    </Stack>
  );
}
