// `/`: areas by name, vehicles by identifier, from anywhere, with the keyboard alone.
import { Modal, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { api, ok } from "@lib/api/client";
import { Icon, vehicleIcon, type IconName } from "@lib/icons";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useWords } from "../text";
import { useMay } from "./may";
import { useGo } from "./place";
import type { Screen } from "./screen";
import classes from "./shell.module.css";

interface Hit {
  id: string;
  icon: IconName;
  label: string;
  more: string;
  open: () => void;
}

export function Search({ screens, onClose }: { screens: Screen[]; onClose: () => void }) {
  const t = useWords();
  const go = useGo();
  const may = useMay();
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const [text] = useDebouncedValue(wanted.trim(), 180);
  const asked = text.length > 1 && (may?.("fleet.vehicle.write") ?? false);
  const vehicles = useQuery({
    queryKey: ["search", text],
    queryFn: () => ok(api.GET("/api/v1/vehicles", { params: { query: { q: text, limit: 8 } } })),
    enabled: asked,
  });
  const lower = wanted.trim().toLowerCase();
  const hits: Hit[] = [
    ...screens.flatMap((screen): Hit[] => {
      const label = screen.nav ? t(screen.nav.label) : "";
      if (!screen.nav || !label.toLowerCase().includes(lower)) return [];
      return [{ id: screen.path, icon: screen.nav.icon, label, more: t(`shell.section.${screen.nav.section}`), open: () => go(screen.path) }];
    }),
    ...(asked ? (vehicles.data?.vehicles ?? []) : []).map((v): Hit => ({
      id: v.id, icon: vehicleIcon(v.vehicle_type), label: v.identifier, more: [v.brand, v.model].filter(Boolean).join(" "),
      open: () => go("/vehicles", { v: v.identifier }),
    })),
  ];
  const chosen = Math.min(at, hits.length - 1);
  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    onClose();
    hit.open();
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} transitionProps={{ duration: 0 }} padding={0} size={560} yOffset="12vh" aria-label={t("shell.search")}>
      <TextInput
        data-autofocus size="lg" variant="unstyled" px="md" leftSection={<Icon name="search" size={20} />} leftSectionWidth={52}
        placeholder={t("shell.searchHint")} aria-label={t("shell.search")} value={wanted}
        role="combobox" aria-expanded aria-controls="hits" aria-activedescendant={hits[chosen] ? `hit-${chosen}` : undefined}
        onChange={(e) => { setWanted(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
          if (step) { e.preventDefault(); setAt(Math.max(0, Math.min(hits.length - 1, chosen + step))); }
          if (e.key === "Enter") { e.preventDefault(); open(hits[chosen]); }
        }}
      />
      <div id="hits" role="listbox" aria-label={t("shell.search")} className={classes.hits}>
        {hits.map((hit, i) => (
          <UnstyledButton key={hit.id} id={`hit-${i}`} role="option" tabIndex={-1} aria-selected={i === chosen} className={classes.hit} onClick={() => open(hit)} onMouseMove={() => setAt(i)}>
            <Icon name={hit.icon} size={18} /><span>{hit.label}</span><Text size="sm" c="dimmed" ml="auto" truncate>{hit.more}</Text>
          </UnstyledButton>
        ))}
      </div>
      {hits.length === 0 && <Text c="dimmed" ta="center" py="lg" role="status">{vehicles.isFetching ? t("loading") : t("shell.searchNothing")}</Text>}
    </Modal>
  );
}
