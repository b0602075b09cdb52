// The button with the saved views of a list: open one, keep what is shown, share it, tidy up.
import { ActionIcon, Button, Menu, Modal, Switch, Text, TextInput } from "@mantine/core";
import { Icon } from "@lib/icons";
import { toast } from "@lib/toast";
import { useState } from "react";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import office from "../office/office.module.css";
import { queryOf, useGo, type Query } from "../shell/place";
import { useWords } from "../text";
import { asText, drop, keep, localViews, takeOver, useViews, type View } from "./views";

interface ViewsProps {
  /** Under which the platform keeps them, e.g. "fleet". */
  screen: string;
  path: string;
  /** The part of the address that makes the view: filters, not what is open. */
  shown: Query;
}

export function Views({ screen, path, shown }: ViewsProps) {
  const t = useWords();
  const go = useGo();
  const found = useViews(screen);
  const [dialog, setDialog] = useState<"save" | "tidy" | null>(null);
  const [locals, setLocals] = useState(() => localViews(screen).length);
  const views = found.data?.views ?? [];
  const now = asText(shown);
  const at = views.find((view) => view.query === now && now !== "");
  const bring = async () => {
    try {
      toast.good(t("views.tookOver", { count: await takeOver(screen) }));
    } catch (error) {
      toast.bad(error);
    }
    setLocals(localViews(screen).length);
  };
  const item = (view: View) => (
    <Menu.Item key={view.id} onClick={() => go(path, queryOf(view.query))} rightSection={view.id === at?.id && <Icon name="check" size={15} />}>{view.name}</Menu.Item>
  );
  const own = views.filter((view) => view.is_own);
  const shared = views.filter((view) => !view.is_own);
  return (
    <>
      <Menu position="bottom-start" width={260}>
        <Menu.Target><Button size="sm" variant="default" leftSection={<Icon name="star" size={15} />} maw={220}>{at?.name ?? t("views.nav")}</Button></Menu.Target>
        <Menu.Dropdown mah="60vh" style={{ overflowY: "auto" }}>
          {views.length === 0 && <Text size="sm" c="dimmed" px="sm" py={6}>{t("views.none")}</Text>}
          {own.map(item)}
          {shared.length > 0 && <Menu.Label>{t("views.shared")}</Menu.Label>}
          {shared.map(item)}
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="plus" size={15} />} onClick={() => setDialog("save")}>{t("views.save")}</Menu.Item>
          {views.length > 0 && <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => setDialog("tidy")}>{t("views.tidy")}</Menu.Item>}
          {locals > 0 && <Menu.Item leftSection={<Icon name="upload" size={15} />} onClick={() => void bring()}>{t("views.takeOver", { count: locals })}</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      {dialog === "save" && <SaveForm screen={screen} query={now} at={at?.is_own ? at : undefined} onClose={() => setDialog(null)} />}
      {dialog === "tidy" && <Tidy views={views} onClose={() => setDialog(null)} />}
    </>
  );
}

function SaveForm({ screen, query, at, onClose }: { screen: string; query: string; at: View | undefined; onClose: () => void }) {
  const t = useWords();
  const [name, setName] = useState(at?.name ?? "");
  const [isShared, setShared] = useState(at?.is_shared ?? false);
  const send = async () => {
    await keep({ screen, name: name.trim(), query, is_shared: isShared });
    toast.good(t("views.saved", { name: name.trim() }));
  };
  return (
    <FormDialog title={t("views.save")} submit={t("save")} disabled={!name.trim()} size="sm" onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("views.name")} description={t("views.nameHint")} value={name} maxLength={60} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <Switch label={t("views.share")} checked={isShared} onChange={(e) => setShared(e.currentTarget.checked)} />
        </>
      )}
    </FormDialog>
  );
}

function Tidy({ views, onClose }: { views: readonly View[]; onClose: () => void }) {
  const t = useWords();
  const run = async (what: () => Promise<void>) => {
    try {
      await what();
    } catch (error) {
      toast.bad(error);
    }
  };
  const gone = (view: View) =>
    run(async () => {
      await drop(view);
      if (view.is_own) toast.undoable(t("views.gone", { name: view.name }), () => keep({ screen: view.screen, name: view.name, query: view.query, is_shared: view.is_shared }));
      else toast.good(t("views.gone", { name: view.name }));
    });
  return (
    <Modal opened onClose={onClose} title={t("views.tidy")} centered closeButtonProps={{ "aria-label": t("close") }}>
      <table className={office.lines}>
        <thead><tr><th scope="col">{t("views.name")}</th><th scope="col">{t("views.whose")}</th><th scope="col"><span className="sr-only">{t("shell.delete")}</span></th></tr></thead>
        <tbody>
          {views.map((view) => (
            <tr key={view.id}>
              <td style={{ overflowWrap: "anywhere" }}>{view.name}</td>
              <td>
                {view.is_own
                  ? <Switch size="xs" label={t("views.shareShort")} checked={view.is_shared} onChange={(e) => { const { checked } = e.currentTarget; void run(() => keep({ screen: view.screen, name: view.name, query: view.query, is_shared: checked })); }} />
                  : <PersonName id={view.owner} />}
              </td>
              <td className={office.end}><ActionIcon variant="subtle" color="gray" aria-label={t("views.drop", { name: view.name })} onClick={() => void gone(view)}><Icon name="trash" size={16} /></ActionIcon></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Modal>
  );
}
