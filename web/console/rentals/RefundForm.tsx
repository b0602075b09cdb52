// Money back to the rider. Above the operator's limit the platform asks for a second person (202).
import { Alert, NumberInput, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { money } from "@lib/format";
import { toast } from "@lib/toast";
import { useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { useGo } from "../shell/place";
import { useWords } from "../text";

export function RefundForm({ payment, onClose }: { payment: Schema<"Payment">; onClose: () => void }) {
  const t = useWords();
  const go = useGo();
  const most = Math.round((payment.amount_captured - payment.amount_refunded) * 100) / 100;
  const [amount, setAmount] = useState<number | string>(most);
  const [reason, setReason] = useState("");
  const send = async () => {
    const answer = await ok(api.POST("/api/v1/payments/{payment_id}/refunds", {
      params: { path: { payment_id: payment.id } }, body: { amount: Number(amount), reason: reason.trim() },
    }));
    await refresh("payment", "rental", "approvals", "wallet");
    const shown = money(Number(amount), payment.currency);
    if ("approval_id" in answer) {
      toast.plain(t("rentals.refundWaits", { amount: shown }));
      go("/approvals");
    } else toast.good(t("rentals.refundDone", { amount: shown }));
  };
  const isFine = Number(amount) > 0 && Number(amount) <= most && reason.trim() !== "";
  return (
    <FormDialog title={t("rentals.refundTitle")} submit={t("rentals.refund")} danger disabled={!isFine} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <NumberInput label={t("rentals.refundAmount", { currency: payment.currency })} description={t("rentals.refundHint", { most: money(most, payment.currency) })}
            value={amount} onChange={setAmount} min={0} max={most} decimalScale={2} hideControls clampBehavior="none" data-autofocus
            error={field("amount") ?? (Number(amount) > most ? t("rentals.refundHint", { most: money(most, payment.currency) }) : undefined)} />
          <Textarea label={t("rentals.refundReason")} description={t("rentals.refundReasonHint")} value={reason} autosize minRows={2} maxLength={200} required
            onChange={(e) => setReason(e.currentTarget.value)} error={field("reason")} />
          {most === 0 && <Alert color="gray">{t("rentals.refunded")}</Alert>}
        </>
      )}
    </FormDialog>
  );
}
