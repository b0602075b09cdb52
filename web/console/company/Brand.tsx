// How the operator looks to its riders: brands, the pages, legal texts, domains.
import { ActionIcon, Badge, Button, ColorInput, FileButton, Group, SegmentedControl, Select, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, sendRequest, type Schema } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { ago, at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Parts, usePart } from "../office/Parts";
import { Wide } from "../office/Wide";
import { Card, Cards } from "../parts/Card";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { PlainForm } from "./Settings";

type Brand = Schema<"BrandView">;
type Domain = Schema<"DomainView">;
const KINDS = ["privacy", "terms", "imprint"] as const;

export default function BrandScreen() {
  const t = useWords();
  const part = usePart(["brands", "pages", "legal", "domains"]);
  return (
    <Page title={t("company.brandTitle")} below={<Parts label={t("company.brandParts")} now={part} of={[["brands", t("company.brands")], ["pages", t("company.pages")], ["legal", t("company.legal")], ["domains", t("company.domains")]]} />}>
      {part === "brands" && <Brands />}
      {part === "pages" && <Pages />}
      {part === "legal" && <Legal />}
      {part === "domains" && <Domains />}
    </Page>
  );
}

const useBrands = () => useQuery({ queryKey: ["brands"], queryFn: () => ok(api.GET("/api/v1/brands")) });

/** White or black, whichever can be read on a colour "#rrggbb". */
export function inkOn(colour: string): "#ffffff" | "#000000" {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

function Brands() {
  const t = useWords();
  const brands = useBrands();
  const [open, setOpen] = useState<Brand | "new" | null>(null);
  if (brands.error) return <Problem error={brands.error} again={() => void brands.refetch()} />;
  if (!brands.data) return <Rows count={2} height={140} />;
  const add = <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setOpen("new")}>{t("company.addBrand")}</Button>;
  const upload = (brand: Brand, file: File | null) =>
    file && deed(["brands"], t("company.brandSaved"), async () => {
      const answer = await sendRequest(new Request(new URL(`/api/v1/brands/${brand.id}/logo`, location.origin), { method: "PUT", body: file, headers: { "content-type": file.type } }));
      if (!answer.ok) throw await problemOf(answer);
    });
  const forget = ({ id, name, primary_color, secondary_color, is_default }: Brand) =>
    deed(["brands"], t("company.brandDeleted", { name }), () => ok(api.DELETE("/api/v1/brands/{brand_id}", { params: { path: { brand_id: id } } })), () => ok(api.POST("/api/v1/brands", { body: { name, primary_color, secondary_color, is_default } })));
  return (
    <>
      {brands.data.brands.length === 0 ? <Card><Empty icon="star" title={t("company.brandNone")} action={add}>{t("company.brandNoneText")}</Empty></Card> : (
        <>
          <Group mb="sm">{add}</Group>
          <Cards>
            {brands.data.brands.map((brand) => (
              <Card key={brand.id}>
                <div className={office.brandSample} style={{ background: brand.primary_color, color: inkOn(brand.primary_color) }}>
                  {brand.logo_url && <img src={brand.logo_url} alt={t("company.logoOf", { name: brand.name })} />}
                  <strong>{brand.name}</strong>
                </div>
                <Group mt="sm" gap="xs">
                  {brand.is_default && <Badge variant="default" tt="none">{t("company.default")}</Badge>}
                  <FileButton onChange={(file) => void upload(brand, file)} accept="image/png,image/jpeg,image/webp">
                    {(props) => <Button {...props} size="compact-sm" variant="default">{t("company.chooseLogo")}</Button>}
                  </FileButton>
                  <ActionIcon ml="auto" variant="subtle" aria-label={t("company.editOf", { name: brand.name })} onClick={() => setOpen(brand)}><Icon name="edit" size={16} /></ActionIcon>
                  <ActionIcon variant="subtle" color="gray" aria-label={t("company.deleteOf", { name: brand.name })} onClick={() => void forget(brand)}><Icon name="trash" size={16} /></ActionIcon>
                </Group>
                <Text size="xs" c="dimmed" mt={6}>{t("company.logoHint")}</Text>
              </Card>
            ))}
          </Cards>
        </>
      )}
      {open && <BrandForm brand={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </>
  );
}

function BrandForm({ brand, onClose }: { brand: Brand | null; onClose: () => void }) {
  const t = useWords();
  const [name, setName] = useState(brand?.name ?? "");
  const [primary, setPrimary] = useState(brand?.primary_color ?? "#0e6e63");
  const [secondary, setSecondary] = useState(brand?.secondary_color ?? "#f0a722");
  const [isDefault, setDefault] = useState(brand?.is_default ?? false);
  const isColour = (text: string) => /^#[0-9a-f]{6}$/i.test(text);
  const send = async () => {
    const body = { name: name.trim(), primary_color: primary, secondary_color: secondary, is_default: isDefault };
    if (brand) await ok(api.PUT("/api/v1/brands/{brand_id}", { params: { path: { brand_id: brand.id } }, body }));
    else await ok(api.POST("/api/v1/brands", { body }));
    await refresh("brands", "setup");
    toast.good(t("company.brandSaved"));
  };
  return (
    <FormDialog title={brand ? t("company.editOf", { name: brand.name }) : t("company.addBrand")} submit={t("save")} disabled={!name.trim() || !isColour(primary) || !isColour(secondary)} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("company.brandName")} value={name} maxLength={100} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <Group grow>
            <ColorInput label={t("company.primary")} value={primary} onChange={setPrimary} error={field("primary_color")} withEyeDropper={false} />
            <ColorInput label={t("company.secondary")} value={secondary} onChange={setSecondary} error={field("secondary_color")} withEyeDropper={false} />
          </Group>
          {isColour(primary) && <div className={office.brandSample} style={{ background: primary, color: inkOn(primary) }} role="img" aria-label={t("company.sample")}><strong>{name || t("company.sample")}</strong></div>}
          <Switch label={t("company.isDefault")} checked={isDefault} onChange={(e) => setDefault(e.currentTarget.checked)} />
        </>
      )}
    </FormDialog>
  );
}

function Pages() {
  const found = useQuery({ queryKey: ["site-contact"], queryFn: () => ok(api.GET("/api/v1/site/contact")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <PagesForm key={JSON.stringify(found.data)} of={found.data} /> : <Rows count={3} />;
}

function PagesForm({ of }: { of: Schema<"ContactBody"> }) {
  const t = useWords();
  const [form, setForm] = useState(of);
  const put = (body: Schema<"ContactBody">) => ok(api.PUT("/api/v1/site/contact", { body }));
  return (
    <PlainForm onSave={() => deed(["site-contact"], t("company.saved"), () => put(form), () => put(of))}>
      <TextInput label={t("company.supportEmail")} type="email" value={form.support_email ?? ""} onChange={(e) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, support_email: value || null })); }} />
      <TextInput label={t("company.supportPhone")} type="tel" value={form.support_phone ?? ""} onChange={(e) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, support_phone: value || null })); }} />
    </PlainForm>
  );
}

function Legal() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const kind = KINDS.find((each) => each === query.kind) ?? "terms";
  const locale = query.locale === "en" ? "en" : "de";
  const found = useQuery({
    queryKey: ["legal", kind, locale],
    queryFn: () => ok(api.GET("/api/v1/site/legal/{kind}", { params: { path: { kind }, query: { locale } } })),
  });
  return (
    <>
      <Group mb="sm">
        <SegmentedControl size="sm" aria-label={t("company.legal")} value={kind} onChange={(value) => change({ kind: value })} data={KINDS.map((value) => ({ value, label: n(`company.legalKind.${value}`) }))} />
        <SegmentedControl size="sm" aria-label={t("company.textLocale")} value={locale} onChange={(value) => change({ locale: value })} data={[{ value: "de", label: "Deutsch" }, { value: "en", label: "English" }]} />
      </Group>
      {found.error ? <Problem error={found.error} again={() => void found.refetch()} /> : found.data ? <LegalForm key={`${kind} ${locale} ${found.data.version}`} of={found.data} /> : <Rows />}
    </>
  );
}

function LegalForm({ of }: { of: Schema<"LegalView"> }) {
  const t = useWords();
  const [body, setBody] = useState(of.body);
  const put = () => ok(api.PUT("/api/v1/site/legal/{kind}", { params: { path: { kind: of.kind } }, body: { locale: of.locale, body } }));
  return (
    <PlainForm label={t("company.publish")} onSave={() => deed(["legal"], t("company.published"), put)}>
      <Text size="sm" c="dimmed">{of.version > 0 ? t("company.version", { version: of.version, at: at(of.published_at) }) : t("company.versionDefault")}</Text>
      <Textarea label={t("company.legalText")} description={t("company.legalHint")} value={body} autosize minRows={14} maxRows={28} onChange={(e) => setBody(e.currentTarget.value)} />
    </PlainForm>
  );
}

function Domains() {
  const t = useWords();
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Domain | null>(null);
  const brands = useBrands();
  const found = useQuery({ queryKey: ["domains"], queryFn: () => ok(api.GET("/api/v1/domains")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} />;
  const add = <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setAdding(true)}>{t("company.addDomain")}</Button>;
  const prove = (domain: Domain) => deed(["domains"], t("company.looked"), () => ok(api.POST("/api/v1/domains/{domain_name}/prove", { params: { path: { domain_name: domain.domain } } })));
  const leave = async () => {
    if (!leaving) return;
    await ok(api.DELETE("/api/v1/domains/{domain_name}", { params: { path: { domain_name: leaving.domain } } }));
    await refresh("domains");
    toast.good(t("company.gaveUp", { domain: leaving.domain }));
  };
  return (
    <>
      {found.data.domains.length === 0 ? <Card><Empty icon="building" title={t("company.domainNone")} action={add}>{t("company.domainNoneText")}</Empty></Card> : (
        <div className={office.stack}>
          <div>{add}</div>
          {found.data.domains.map((domain) => (
            <Card key={domain.domain} title={domain.domain} beside={<State tone={domain.is_proven ? "good" : "notice"}>{t(domain.is_proven ? "company.proven" : "company.unproven")}</State>}>
              {domain.problem && <Text size="sm" c="var(--danger)">{domain.problem}</Text>}
              {!domain.is_proven && (
                <>
                  <Text size="sm">{t("company.records")}</Text>
                  <Wide>
                    <table className={office.lines}><tbody>{domain.records.map((r) => <tr key={r.type}><td>{r.type}</td><td className={office.mono}>{r.name}</td><td className={office.mono}>{r.value}</td></tr>)}</tbody></table>
                  </Wide>
                </>
              )}
              <Group mt="sm" gap="xs">
                <Button size="compact-sm" variant="light" onClick={() => void prove(domain)}>{t("company.look")}</Button>
                <ActionIcon variant="subtle" color="gray" aria-label={t("company.giveUp", { domain: domain.domain })} onClick={() => setLeaving(domain)}><Icon name="trash" size={16} /></ActionIcon>
                {domain.checked_at && <Text size="xs" c="dimmed">{t("company.checked", { ago: ago(domain.checked_at) })}</Text>}
                {domain.brand_id && <Badge variant="default" tt="none">{brands.data?.brands.find((b) => b.id === domain.brand_id)?.name}</Badge>}
              </Group>
            </Card>
          ))}
        </div>
      )}
      {isAdding && <ClaimForm brands={brands.data?.brands ?? []} onClose={() => setAdding(false)} />}
      {leaving && <FormDialog title={t("company.giveUpTitle")} submit={t("shell.delete")} danger onClose={() => setLeaving(null)} onSubmit={leave}><Text size="sm">{t("company.giveUpText", { domain: leaving.domain })}</Text></FormDialog>}
    </>
  );
}

function ClaimForm({ brands, onClose }: { brands: readonly Brand[]; onClose: () => void }) {
  const t = useWords();
  const [domain, setDomain] = useState("");
  const [brand, setBrand] = useState<string | null>(null);
  const send = async () => {
    const made = await ok(api.POST("/api/v1/domains", { body: { domain: domain.trim(), ...(brand ? { brand_id: brand } : {}) } }));
    await refresh("domains", "setup");
    toast.good(t("company.claimed", { domain: made.domain }));
  };
  return (
    <FormDialog title={t("company.addDomain")} submit={t("save")} disabled={!domain.includes(".")} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("company.domain")} placeholder="scooter.example.org" value={domain} maxLength={253} onChange={(e) => setDomain(e.currentTarget.value)} error={field("domain")} data-autofocus />
          <Select label={t("company.domainBrand")} clearable clearButtonProps={{ "aria-label": t("shell.filter.reset") }} value={brand} onChange={setBrand} data={brands.map((b) => ({ value: b.id, label: b.name }))} />
        </>
      )}
    </FormDialog>
  );
}
