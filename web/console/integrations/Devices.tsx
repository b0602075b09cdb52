// Devices of other makers that report and belong to nobody: pair one, and its next attempt succeeds.
import { Button, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { useMemo, useState } from "react";
import { toast } from "@lib/toast";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { DataTable, type Column } from "../parts/DataTable";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { useWords } from "../text";

type Stranger = Schema<"StrangerView">;

export function Devices() {
  const t = useWords();
  const [pairing, setPairing] = useState<Stranger | null>(null);
  const found = usePages(["strangers"], (offset) => ok(api.GET("/api/v1/devices/unknown", { params: { query: { offset, limit: PAGE } } })), (page) => page.devices, { refetchInterval: 10_000 });
  const columns = useMemo<Column<Stranger>[]>(
    () => [
      { key: "name", label: t("integrations.deviceName"), width: "minmax(12rem, 1fr)", cell: (d) => d.name, value: (d) => d.name },
      { key: "protocol", label: t("integrations.protocol"), width: "9rem", cell: (d) => d.protocol, value: (d) => d.protocol },
      { key: "knocks", label: t("integrations.knocks"), width: "8rem", end: true, cell: (d) => number(d.knocks), value: (d) => d.knocks },
      { key: "first", label: t("integrations.first"), width: "10rem", cell: (d) => ago(d.first_seen_at), value: (d) => d.first_seen_at },
      { key: "last", label: t("integrations.last"), width: "10rem", cell: (d) => ago(d.last_seen_at), value: (d) => d.last_seen_at },
      { key: "pair", label: "", width: "8rem", cell: (d) => <Button size="compact-sm" variant="light" onClick={() => setPairing(d)}>{t("integrations.pair")}</Button> },
    ],
    [t],
  );
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return (
    <>
      <DataTable label={t("integrations.strangers")} columns={columns} rows={found.rows} id={(d) => `${d.protocol} ${d.name}`} file="devices" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all}
        empty={<Empty icon="search" title={t("integrations.strangersNone")}>{t("integrations.strangersNoneText")}</Empty>} />
      {pairing && <PairForm device={pairing} onClose={() => setPairing(null)} />}
    </>
  );
}

function PairForm({ device, onClose }: { device: Stranger; onClose: () => void }) {
  const t = useWords();
  const [vehicle, setVehicle] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/vehicles/{vehicle_id}/devices", {
      params: { path: { vehicle_id: vehicle.trim() } }, body: { protocol: device.protocol as Schema<"DeviceBody">["protocol"], imei: device.name },
    }));
    await refresh("strangers");
    toast.good(t("integrations.paired", { name: device.name }));
  };
  return (
    <FormDialog title={t("integrations.pairTitle", { name: device.name })} submit={t("integrations.pair")} disabled={!vehicle.trim()} onClose={onClose} onSubmit={send}>
      {(field) => <TextInput label={t("integrations.vehicle")} value={vehicle} maxLength={64} onChange={(e) => setVehicle(e.currentTarget.value)} error={field("imei")} data-autofocus />}
    </FormDialog>
  );
}
