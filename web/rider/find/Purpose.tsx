import "@mantine/core/styles/FloatingIndicator.css";
import "@mantine/core/styles/SegmentedControl.css";
import { SegmentedControl } from "@mantine/core";
import { keep, useKept } from "../keep";
import { useWords } from "../text";

/** Business or private (WEB-07), remembered for the next ride. */
export function Purpose() {
  const t = useWords();
  const business = useKept<boolean>("business") ?? false;
  return (
    <SegmentedControl
      fullWidth size="md" aria-label={t("vehicle.purpose")} value={business ? "business" : "private"} onChange={(value) => keep("business", value === "business")}
      data={[{ value: "private", label: t("vehicle.private") }, { value: "business", label: t("vehicle.business") }]}
    />
  );
}
