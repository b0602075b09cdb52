// Cities the operator works in, and the rules that hold there from a day on.
import { ActionIcon, Button, Group, NumberInput, Select, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card } from "../parts/Card";
import { Problem } from "../parts/Problem";
import { useNames, useWords } from "../text";

type Area = Schema<"AreaView">;
type Market = Schema<"MarketView">;
const HELMETS = ["none", "recommended", "required"] as const;

export function Areas() {
  const areas = useQuery({ queryKey: ["areas"], queryFn: () => ok(api.GET("/api/v1/areas")) });
  if (areas.error) return <Problem error={areas.error} again={() => void areas.refetch()} />;
  if (!areas.data) return <Rows />;
  return <div className={office.stack}><AreaCard areas={areas.data.areas} /><Markets areas={areas.data.areas} /></div>;
}

const post = (body: Schema<"AreaBody">) => ok(api.POST("/api/v1/areas", { body }));

function AreaCard({ areas }: { areas: readonly Area[] }) {
  const t = useWords();
  const [open, setOpen] = useState<Area | "new" | null>(null);
  const forget = ({ id, ...body }: Area) => deed(["areas"], t("company.areaDeleted", { name: body.name }), () => ok(api.DELETE("/api/v1/areas/{area_id}", { params: { path: { area_id: id } } })), () => post(body));
  return (
    <Card title={t("company.areas")} beside={<Button size="sm" variant="light" onClick={() => setOpen("new")}>{t("company.addArea")}</Button>}>
      <Text size="sm" c="dimmed" mb="xs">{t("company.areasText")}</Text>
      {areas.length === 0 && <Text size="sm">{t("company.areaNone")}</Text>}
      <Wide>
        <table className={office.lines}>
          <tbody>
            {areas.map((area) => (
              <tr key={area.id}>
                <td>{area.name}</td><td>{area.country}</td>
                <td className="figures">{[area.south, area.west, area.north, area.east].map((x) => number(x, 3)).join(" · ")}</td>
                <td className={office.end}>
                  <ActionIcon variant="subtle" aria-label={t("company.editOf", { name: area.name })} onClick={() => setOpen(area)}><Icon name="edit" size={16} /></ActionIcon>
                  <ActionIcon variant="subtle" color="gray" aria-label={t("company.deleteOf", { name: area.name })} onClick={() => void forget(area)}><Icon name="trash" size={16} /></ActionIcon>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {open && <AreaForm area={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </Card>
  );
}

function AreaForm({ area, onClose }: { area: Area | null; onClose: () => void }) {
  const t = useWords();
  const [form, setForm] = useState<Schema<"AreaBody">>(area ?? { name: "", country: "DE", south: 0, west: 0, north: 0, east: 0 });
  const { name, country, south, west, north, east } = form;
  const body = { name, country, south, west, north, east };
  const send = async () => {
    if (area) await ok(api.PUT("/api/v1/areas/{area_id}", { params: { path: { area_id: area.id } }, body }));
    else await post(body);
    await refresh("areas", "setup");
    toast.good(t("company.areaSaved"));
  };
  const corner = (key: "south" | "west" | "north" | "east", most: number, at: (field: string) => string | undefined) => (
    <NumberInput label={t(`company.${key}`)} value={form[key]} min={-most} max={most} decimalScale={6} hideControls error={at(key)} onChange={(value) => setForm((now) => ({ ...now, [key]: Number(value) }))} />
  );
  return (
    <FormDialog title={area ? t("company.editOf", { name: area.name }) : t("company.addArea")} submit={t("save")} disabled={!name.trim() || country.length !== 2 || south >= north || west >= east} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("company.brandName")} value={name} maxLength={100} data-autofocus error={field("name")} onChange={(e) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, name: value })); }} />
          <TextInput label={t("company.country")} value={country} maxLength={2} error={field("country")} onChange={(e) => { const value = e.currentTarget.value.toUpperCase(); setForm((now) => ({ ...now, country: value })); }} />
          <Group grow>{corner("south", 90, field)}{corner("north", 90, field)}</Group>
          <Group grow>{corner("west", 180, field)}{corner("east", 180, field)}</Group>
        </>
      )}
    </FormDialog>
  );
}

function Markets({ areas }: { areas: readonly Area[] }) {
  const t = useWords();
  const n = useNames();
  const [isAdding, setAdding] = useState(false);
  const [ending, setEnding] = useState<Market | null>(null);
  const found = useQuery({ queryKey: ["markets"], queryFn: () => ok(api.GET("/api/v1/markets")) });
  const end = async () => {
    if (ending) await ok(api.POST("/api/v1/markets/{market_id}/end", { params: { path: { market_id: ending.id } }, body: {} }));
    await refresh("markets");
    toast.good(t("company.marketEnded"));
  };
  return (
    <Card title={t("company.markets")} beside={<Button size="sm" variant="light" onClick={() => setAdding(true)}>{t("company.addMarket")}</Button>}>
      <Text size="sm" c="dimmed" mb="xs">{t("company.marketsText")}</Text>
      {found.error && <Problem error={found.error} />}
      {found.data?.markets.length === 0 && <Text size="sm">{t("company.marketNone")}</Text>}
      {found.data && found.data.markets.length > 0 && (
        <Wide>
          <table className={office.lines}>
            <thead><tr><th scope="col">{t("company.areas")}</th><th scope="col">{t("company.from")}</th><th scope="col">{t("company.until")}</th><th scope="col">{t("company.minimumAge")}</th><th scope="col">{t("company.helmet")}</th><th scope="col">{t("company.quiet")}</th><th scope="col">{t("company.taxRate")}</th><th scope="col"><span className="sr-only">{t("company.endNow")}</span></th></tr></thead>
            <tbody>
              {found.data.markets.map((m) => (
                <tr key={m.id}>
                  <td>{areas.find((a) => a.id === m.area_id)?.name ?? t("company.whole")}</td><td>{at(m.valid_from)}</td><td>{at(m.valid_until)}</td><td>{m.minimum_age ?? "–"}</td><td>{n(`company.helmets.${m.helmet}`)}</td>
                  <td>{m.quiet_from ? `${m.quiet_from} – ${m.quiet_until ?? ""}` : "–"}</td><td>{m.tax_rate_pct === null ? "–" : `${number(m.tax_rate_pct, 2)} %`}</td>
                  <td className={office.end}>{!m.valid_until && <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setEnding(m)}>{t("company.endNow")}</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      {isAdding && <MarketForm areas={areas} onClose={() => setAdding(false)} />}
      {ending && <FormDialog title={t("company.endMarketTitle")} submit={t("company.endNow")} danger onClose={() => setEnding(null)} onSubmit={end}><Text size="sm">{t("company.endMarketText")}</Text></FormDialog>}
    </Card>
  );
}

function MarketForm({ areas, onClose }: { areas: readonly Area[]; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [area, setArea] = useState<string>("");
  const [from, setFrom] = useState("");
  const [age, setAge] = useState<number | string>("");
  const [helmet, setHelmet] = useState<(typeof HELMETS)[number]>("none");
  const [quiet, setQuiet] = useState({ from: "", until: "" });
  const [tax, setTax] = useState<number | string>("");
  const send = async () => {
    await ok(api.POST("/api/v1/markets", {
      body: {
        helmet, ...(area ? { area_id: area } : {}), ...(from ? { valid_from: new Date(from).toISOString() } : {}), ...(age === "" ? {} : { minimum_age: Number(age) }),
        ...(quiet.from && quiet.until ? { quiet_from: quiet.from, quiet_until: quiet.until } : {}), ...(tax === "" || area ? {} : { tax_rate_pct: Number(tax) }),
      },
    }));
    await refresh("markets", "setup", "tariffs");
    toast.good(t("company.marketAdded"));
  };
  return (
    <FormDialog title={t("company.addMarket")} submit={t("save")} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Select label={t("company.areas")} value={area} allowDeselect={false} onChange={(value) => setArea(value ?? "")} data={[{ value: "", label: t("company.whole") }, ...areas.map((a) => ({ value: a.id, label: a.name }))]} error={field("area_id")} />
          <TextInput type="datetime-local" label={t("company.from")} value={from} onChange={(e) => setFrom(e.currentTarget.value)} error={field("valid_from")} />
          <Group grow>
            <NumberInput label={t("company.minimumAge")} value={age} onChange={setAge} min={0} max={99} error={field("minimum_age")} />
            <Select label={t("company.helmet")} value={helmet} allowDeselect={false} data={HELMETS.map((value) => ({ value, label: n(`company.helmets.${value}`) }))} onChange={(value) => setHelmet(value ?? "none")} />
          </Group>
          <Group grow>
            <TextInput type="time" label={t("company.quietFrom")} value={quiet.from} onChange={(e) => { const { value } = e.currentTarget; setQuiet((now) => ({ ...now, from: value })); }} error={field("quiet_from")} />
            <TextInput type="time" label={t("company.quietUntil")} value={quiet.until} onChange={(e) => { const { value } = e.currentTarget; setQuiet((now) => ({ ...now, until: value })); }} error={field("quiet_until")} />
          </Group>
          {!area && <NumberInput label={t("company.taxRate")} value={tax} onChange={setTax} min={0} max={50} decimalScale={2} error={field("tax_rate_pct")} />}
        </>
      )}
    </FormDialog>
  );
}
