import "@mantine/core/styles/Combobox.css";
import "@mantine/core/styles/Drawer.css";
import "@mantine/core/styles/NumberInput.css";
import "@mantine/core/styles/Popover.css";
import "@mantine/core/styles/Slider.css";
import { Button, Drawer, Group, NumberInput, Select, Slider, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { distance, percent } from "@lib/format";
import { useState } from "react";
import { useWords } from "../text";
import { ANY, useFilter } from "./search";

const RADII = [250, 500, 1_000, 2_000, 5_000, 10_000];

export default function Filters({ opened, onClose, models }: { opened: boolean; onClose: () => void; models: string[] }) {
  const t = useWords();
  const wide = useMediaQuery("(min-width: 56rem)");
  const [filter, change] = useFilter();
  const [battery, setBattery] = useState(filter.minBattery);
  const [radius, setRadius] = useState(Math.max(0, RADII.indexOf(filter.radius)));
  const known = [...new Set([...models, ...(filter.model ? [filter.model] : [])])];
  const reset = () => {
    change({ ...ANY, type: filter.type });
    setBattery(0);
    setRadius(RADII.indexOf(ANY.radius));
  };
  return (
    <Drawer opened={opened} onClose={onClose} title={t("find.filters")} position={wide ? "left" : "bottom"} size={wide ? "sm" : "30rem"} radius={wide ? 0 : "lg"} closeButtonProps={{ "aria-label": t("close"), size: "lg" }}>
      <Stack gap="xl" pb="lg">
        <div>
          <Group justify="space-between"><Text fw={600} id="f-battery">{t("find.minBattery")}</Text><Text className="figures">{percent(battery)}</Text></Group>
          <Slider thumbProps={{ "aria-labelledby": "f-battery" }} label={null} step={10} value={battery} onChange={setBattery} onChangeEnd={(minBattery) => change({ minBattery })} size="lg" thumbSize={28} />
        </div>
        <div>
          <Group justify="space-between"><Text fw={600} id="f-radius">{t("find.radius")}</Text><Text className="figures">{distance(RADII[radius] ?? ANY.radius)}</Text></Group>
          <Slider thumbProps={{ "aria-labelledby": "f-radius", "aria-valuetext": distance(RADII[radius] ?? ANY.radius) }} label={null} min={0} max={RADII.length - 1} value={radius} onChange={setRadius} onChangeEnd={(i) => change({ radius: RADII[i] ?? ANY.radius })} size="lg" thumbSize={28} />
        </div>
        <NumberInput size="md" label={t("find.maxPrice")} placeholder={t("find.anyPrice")} min={0} step={0.05} decimalScale={2} value={filter.maxPrice ?? ""} onChange={(value) => change({ maxPrice: value === "" ? null : Number(value) })} hideControls inputMode="decimal" />
        <Select size="md" label={t("find.model")} placeholder={t("find.anyPrice")} clearable data={known} value={filter.model || null} onChange={(model) => change({ model: model ?? "" })} />
        <Group grow>
          <Button size="md" variant="default" onClick={reset}>{t("find.reset")}</Button>
          <Button size="md" onClick={onClose}>{t("find.apply")}</Button>
        </Group>
      </Stack>
    </Drawer>
  );
}
