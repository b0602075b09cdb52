// What this platform speaks with: devices, payment providers, cities, and the organisation's log-in.
import { Empty } from "@lib/states";
import { Parts, usePart } from "../office/Parts";
import { Page } from "../parts/Page";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Devices } from "./Devices";
import { Feeds } from "./Feeds";
import { Differences, Gateways, Webhooks } from "./Gateways";
import { Scim } from "./Scim";
import { Sso } from "./Sso";

const ALL = [
  ["devices", "fleet.vehicle.pair", Devices], ["gateways", "payments.gateway.read", Gateways], ["webhooks", "payments.gateway.read", Webhooks], ["differences", "payments.gateway.read", Differences],
  ["feeds", "feeds.setting.read", Feeds], ["sso", "identity.sso.read", Sso], ["scim", "identity.scim.read", Scim],
] as const;

export default function Integrations() {
  const t = useWords();
  const may = useMay();
  const own = ALL.filter(([, permission]) => may?.(permission));
  const names = own.map(([name]) => name);
  const part = usePart(names);
  const Shown = own.find(([name]) => name === part)?.[2];
  return (
    <Page title={t("integrations.title")} fill={part === "devices" || part === "webhooks" || part === "differences"} below={<Parts label={t("integrations.partsOf")} now={part} of={names.map((name) => [name, t(`integrations.${name}`)] as const)} />}>
      {Shown ? <Shown /> : <Empty icon="lock" title={t("shell.noPermission")}>{t("shell.noPermissionText")}</Empty>}
    </Page>
  );
}
