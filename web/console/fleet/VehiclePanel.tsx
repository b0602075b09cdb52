// One vehicle beside the list: what it is, how it does, what it was told, what happened to it.
import { Badge, Button, Group, Menu, ActionIcon, SegmentedControl, Stack, Tabs, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, at, distance, money, number, percent } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import { Commands } from "./Commands";
import { Qr } from "./Qr";
import { Battery, Kind, StatusName } from "./Status";
import { Story } from "./Story";
import { Telemetry } from "./Telemetry";
import classes from "./fleet.module.css";

type Detail = Schema<"VehicleDetail">;
type Settable = "available" | "maintenance" | "retired";

interface VehiclePanelProps {
  name: string;
  isFollowed: boolean;
  onFollow: ((on: boolean) => void) | undefined;
  onClose: () => void;
}

export function VehiclePanel({ name, isFollowed, onFollow, onClose }: VehiclePanelProps) {
  const t = useWords();
  const found = useQuery({
    queryKey: ["vehicle", name],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: name } } })),
    refetchInterval: 5_000,
  });
  const vehicle = found.data;
  return (
    <Panel
      title={vehicle?.identifier ?? name} label={t("fleet.panel.label", { name })} onClose={onClose} width={520}
      actions={vehicle && (
        <>
          {onFollow && (
            <Button size="compact-sm" variant={isFollowed ? "filled" : "light"} leftSection={<Icon name="locate" size={15} />} aria-pressed={isFollowed} onClick={() => onFollow(!isFollowed)}>
              {t(isFollowed ? "fleet.panel.followed" : "fleet.panel.follow")}
            </Button>
          )}
          <More vehicle={vehicle} />
        </>
      )}
    >
      {found.isPending && <Rows count={6} height={36} />}
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {vehicle && <Parts vehicle={vehicle} />}
    </Panel>
  );
}

function More({ vehicle }: { vehicle: Detail }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const client = useQueryClient();
  const set = async (status: Settable) => {
    await ok(api.PATCH("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: vehicle.id } }, body: { status } }));
    await client.invalidateQueries({ queryKey: ["vehicle"] });
  };
  const become = async (status: Settable) => {
    const before = vehicle.status as Settable;
    try {
      await set(status);
      const said = t("fleet.panel.changed", { status: n(status === "retired" ? "fleet.retired" : `status.${status}`) });
      if (["available", "maintenance", "retired"].includes(before)) toast.undoable(said, () => set(before));
      else toast.good(said);
    } catch (error) {
      toast.bad(error);
    }
  };
  if (!may?.("fleet.vehicle.write")) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target><ActionIcon variant="subtle" color="gray" size={36} aria-label={t("shell.edit")}><Icon name="dots" size={18} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {vehicle.status !== "available" && <Menu.Item leftSection={<Icon name="play" size={15} />} onClick={() => void become("available")}>{t("fleet.panel.inService")}</Menu.Item>}
        {vehicle.status !== "maintenance" && <Menu.Item leftSection={<Icon name="wrench" size={15} />} onClick={() => void become("maintenance")}>{t("fleet.panel.outOfService")}</Menu.Item>}
        {vehicle.status !== "retired" && <Menu.Item c="var(--danger)" leftSection={<Icon name="trash" size={15} />} onClick={() => void become("retired")}>{t("fleet.panel.retire")}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}

const PARTS = ["overview", "telemetry", "commands", "story", "rides", "tickets", "qr"] as const;

function Parts({ vehicle }: { vehicle: Detail }) {
  const t = useWords();
  return (
    <Stack gap="sm">
      <Group gap="md">
        <StatusName status={vehicle.status} />
        <Kind type={vehicle.vehicle_type} />
        <Battery level={vehicle.battery.level} />
      </Group>
      {vehicle.warning && <Text c="var(--notice)" size="sm">{vehicle.warning}</Text>}
      <Tabs defaultValue="overview" keepMounted={false}>
        <Tabs.List aria-label={t("fleet.panel.tabs")} className={classes.tabs}>
          {PARTS.map((part) => <Tabs.Tab key={part} value={part} px={6} py={8}>{t(`fleet.panel.${part}`)}</Tabs.Tab>)}
        </Tabs.List>
        <Tabs.Panel value="overview" pt="md"><Overview vehicle={vehicle} /></Tabs.Panel>
        <Tabs.Panel value="telemetry" pt="md"><Telemetry id={vehicle.id} /></Tabs.Panel>
        <Tabs.Panel value="commands" pt="md"><Commands id={vehicle.id} type={vehicle.vehicle_type} /></Tabs.Panel>
        <Tabs.Panel value="story" pt="md"><InTime>{(hours) => <Story id={vehicle.id} hours={hours} />}</InTime></Tabs.Panel>
        <Tabs.Panel value="rides" pt="md"><Rides vehicle={vehicle} /></Tabs.Panel>
        <Tabs.Panel value="tickets" pt="md"><Tickets vehicle={vehicle} /></Tabs.Panel>
        <Tabs.Panel value="qr" pt="md"><Qr id={vehicle.id} identifier={vehicle.identifier} /></Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

export function InTime({ children }: { children: (hours: number) => React.ReactNode }) {
  const t = useWords();
  const [hours, setHours] = useState("24");
  return (
    <Stack gap="sm">
      <SegmentedControl size="xs" aria-label={t("fleet.panel.hours")} value={hours} onChange={setHours}
        data={[{ value: "6", label: t("fleet.panel.h6") }, { value: "24", label: t("fleet.panel.h24") }, { value: "168", label: t("fleet.panel.d7") }]} />
      {children(Number(hours))}
    </Stack>
  );
}

function Overview({ vehicle }: { vehicle: Detail }) {
  const t = useWords();
  const { telemetry, battery, maintenance, usage } = vehicle;
  return (
    <Stack gap="lg">
      <Pairs of={[
        [t("fleet.panel.model"), `${vehicle.brand} ${vehicle.model}`],
        [t("fleet.panel.plate"), vehicle.license_plate],
        [t("fleet.panel.category"), vehicle.category === "standard" ? null : vehicle.category],
        [t("fleet.panel.address"), vehicle.location?.address ?? (vehicle.location ? `${vehicle.location.latitude.toFixed(5)}, ${vehicle.location.longitude.toFixed(5)}` : null)],
        [t("fleet.heard"), telemetry.last_seen ? ago(telemetry.last_seen) : t("fleet.never")],
        [t("fleet.panel.range"), battery.estimated_range === null ? null : distance(battery.estimated_range * 1000)],
        [t("fleet.panel.temperature"), battery.temperature === null ? null : `${number(battery.temperature, 1)} °C`],
        [t("fleet.panel.charging"), battery.charging_cycles],
        [t("fleet.panel.signal"), telemetry.signal_strength === null ? null : `${telemetry.signal_strength} dBm`],
        [t("fleet.panel.firmware"), telemetry.firmware_version],
        [t("fleet.panel.hardware"), telemetry.hardware_version],
        [t("fleet.panel.service"), at(maintenance.next_service_due, "date")],
      ]} />
      <Pairs of={[
        [t("fleet.panel.trips"), number(usage.total_trips)],
        [t("fleet.panel.distance"), distance(usage.total_distance * 1000)],
        [t("fleet.panel.revenue"), usage.total_revenue === null ? null : money(usage.total_revenue)],
        [t("fleet.panel.use"), percent(usage.utilization_rate * 100)],
      ]} />
    </Stack>
  );
}

function Rides({ vehicle }: { vehicle: Detail }) {
  const t = useWords();
  const found = useQuery({
    queryKey: ["rides-of", vehicle.id],
    queryFn: () => ok(api.GET("/api/v1/rentals", { params: { query: { vehicle: vehicle.id, limit: 20 } } })),
  });
  if (found.isPending) return <Rows count={4} height={44} />;
  if (found.error) return <Problem error={found.error} />;
  if (found.data.rentals.length === 0) return <Empty icon="route" title={t("fleet.panel.noRides")} />;
  return (
    <Stack gap="xs">
      {found.data.rentals.map((ride) => (
        <Group key={ride.id} justify="space-between" wrap="nowrap">
          <Go to={`/rentals/${ride.id}`}>{at(ride.start_time)}</Go>
          <Text size="sm" c="dimmed">{distance(ride.total_distance * 1000)}</Text>
          <Text size="sm" className="figures">{ride.total_cost === null ? <Badge variant="light">{t("status.in_use")}</Badge> : money(ride.total_cost, ride.pricing.currency)}</Text>
        </Group>
      ))}
    </Stack>
  );
}

function Tickets({ vehicle }: { vehicle: Detail }) {
  const t = useWords();
  const n = useNames();
  const found = useQuery({
    queryKey: ["tickets", "of", vehicle.id],
    queryFn: () => ok(api.GET("/api/v1/maintenance/tickets", { params: { query: { vehicle: vehicle.id, limit: 20 } } })),
  });
  if (found.isPending) return <Rows count={3} height={44} />;
  if (found.error) return <Problem error={found.error} />;
  const add = <Go to="/maintenance" query={{ new: vehicle.identifier }}>{t("fleet.panel.ticket")}</Go>;
  if (found.data.tickets.length === 0) return <Empty icon="wrench" title={t("fleet.panel.noTickets")} action={add} />;
  return (
    <Stack gap="xs">
      {found.data.tickets.map((ticket) => (
        <Group key={ticket.id} justify="space-between" wrap="nowrap">
          <Go to="/maintenance" query={{ t: ticket.id }}>{n(`maintenance.kind.${ticket.kind}`)}</Go>
          <Text size="sm" c="dimmed" truncate>{ticket.description}</Text>
          <Badge variant="light" color={ticket.closed_at ? "gray" : ticket.severity === "safety" ? "red" : "petrol"}>{n(`maintenance.state.${ticket.state}`)}</Badge>
        </Group>
      ))}
      {add}
    </Stack>
  );
}
