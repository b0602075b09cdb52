// What is not simply paid: debts and how they are collected, refunds that failed, disputes of cardholders, and
// payments the risk rules looked at.
import { Empty } from "@lib/states";
import { Parts, usePart } from "../office/Parts";
import { Page } from "../parts/Page";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Debts } from "./Debts";
import { Disputes } from "./Disputes";
import { DunningSettings } from "./Dunning";
import { FailedRefunds } from "./FailedRefunds";
import { Risks } from "./Risk";
import { RiskRules } from "./RiskRules";

const ALL = [
  ["debts", "payments.debt.read", Debts], ["dunning", "payments.debt.read", DunningSettings], ["refunds", "payments.refund.create", FailedRefunds],
  ["disputes", "payments.dispute.read", Disputes], ["risk", "payments.risk.read", Risks], ["limits", "payments.risk.read", RiskRules],
] as const;

export default function Cases() {
  const t = useWords();
  const may = useMay();
  const own = ALL.filter(([, permission]) => may?.(permission));
  const part = usePart(own.map(([name]) => name));
  const Shown = own.find(([name]) => name === part)?.[2];
  return (
    <Page title={t("books.casesTitle")} fill={part !== "dunning" && part !== "limits"} below={<Parts label={t("cases.partsOf")} now={part} of={own.map(([name]) => [name, t(`cases.${name}`)] as const)} />}>
      {Shown ? <Shown /> : <Empty icon="lock" title={t("shell.noPermission")}>{t("shell.noPermissionText")}</Empty>}
    </Page>
  );
}
