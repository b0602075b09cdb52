// Upkeep in three parts: what is to be done now, what it costs in time and money, and the rules it goes by.
import { Parts, usePart } from "../office/Parts";
import { Page } from "../parts/Page";
import { useWords } from "../text";
import { Board } from "./Board";
import { Downtime } from "./Downtime";
import { Rules } from "./Rules";

const PARTS = ["board", "downtime", "rules"] as const;

export default function Maintenance() {
  const t = useWords();
  const part = usePart(PARTS);
  const tabs = <Parts label={t("maintenance.partsOf")} now={part} of={PARTS.map((name) => [name, t(`maintenance.tab.${name}`)] as const)} />;
  if (part === "board") return <Board parts={tabs} />;
  return <Page title={t("maintenance.title")} below={tabs}>{part === "downtime" ? <Downtime /> : <Rules />}</Page>;
}
