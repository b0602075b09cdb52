// One group: how its vehicles are, what can be done with all of them, and who belongs to it.
import { ActionIcon, Button, FileButton, Group, Menu, Stack, Text, Textarea } from "@mantine/core";
import { number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { applied, Bulk } from "../fleet/Bulk";
import { STATUSES } from "../fleet/columns";
import { useFleet, useMembers } from "../fleet/live";
import { StatusName } from "../fleet/Status";
import { refresh } from "../office/deed";
import office from "../office/office.module.css";
import { Panel } from "../parts/Panel";
import { Go } from "../shell/place";
import { useWords } from "../text";
import type { VehicleGroup } from "./Groups";
import { meant, namesIn } from "./members";

interface GroupPanelProps {
  /** Undefined: there is none of this name (any more). */
  group: VehicleGroup | undefined;
  mayWrite: boolean;
  onEdit: (group: VehicleGroup) => void;
  onDelete: (group: VehicleGroup) => void;
  onClose: () => void;
}

export function GroupPanel({ group, mayWrite, onEdit, onDelete, onClose }: GroupPanelProps) {
  const t = useWords();
  return (
    <Panel
      title={group?.name ?? t("groups.notFound")} label={t("groups.title")} onClose={onClose} width={480}
      actions={group && mayWrite && (
        <Menu position="bottom-end">
          <Menu.Target><ActionIcon variant="subtle" color="gray" size={36} aria-label={t("shell.edit")}><Icon name="dots" size={18} /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => onEdit(group)}>{t("groups.rename")}</Menu.Item>
            <Menu.Item leftSection={<Icon name="trash" size={15} />} c="var(--danger)" onClick={() => onDelete(group)}>{t("shell.delete")}</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    >
      {group ? <Inside key={group.id} group={group} mayWrite={mayWrite} /> : <Empty icon="tag" title={t("groups.notFound")} />}
    </Panel>
  );
}

function Inside({ group, mayWrite }: { group: VehicleGroup; mayWrite: boolean }) {
  const t = useWords();
  const { fleet, version } = useFleet();
  const members = useMembers(group.name);
  const counts = useMemo(() => {
    const found = STATUSES.map(() => 0);
    members?.forEach((id) => {
      const i = fleet.place.get(id);
      if (i !== undefined) found[fleet.status[i]!]! += 1;
    });
    return found;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `version` says that the columns changed
  }, [fleet, version, members]);
  return (
    <Stack gap="sm">
      {group.description && <Text size="sm" c="dimmed">{group.description}</Text>}
      <Go to="/vehicles" query={{ group: group.name }}>{t("groups.show")}</Go>
      <h3 className={office.section}>{t("groups.byStatus")}</h3>
      {members?.size === 0 ? <Text size="sm" c="dimmed">{t("groups.empty")}</Text> : (
        <table className={office.lines}>
          <tbody>
            {STATUSES.map((status, n) => counts[n]! > 0 && (
              <tr key={status}><td><Go to="/vehicles" query={{ group: group.name, status }}><StatusName status={status} /></Go></td><td className={office.end}>{number(counts[n]!)}</td></tr>
            ))}
          </tbody>
        </table>
      )}
      {mayWrite && members && members.size > 0 && (
        <>
          <h3 className={office.section}>{t("groups.act")}</h3>
          <Text size="sm" c="dimmed">{t("groups.actText")}</Text>
          <Bulk ids={members} group={group.name} onDone={() => void refresh("groups", "members")} />
        </>
      )}
      {mayWrite && <Members group={group} />}
    </Stack>
  );
}

const SHOWN = 8;

function Members({ group }: { group: VehicleGroup }) {
  const t = useWords();
  const { fleet, version } = useFleet();
  const [text, setText] = useState("");
  const [isBusy, setBusy] = useState(false);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- `version` says that the columns changed
  const found = useMemo(() => meant(fleet, namesIn(text)), [fleet, version, text]);
  const move = async (operation: "join_group" | "leave_group") => {
    setBusy(true);
    try {
      const job = await applied({ operation, group: group.name }, found.ids);
      toast.good(t(operation === "join_group" ? "groups.joined" : "groups.left", { count: job.done }));
      setText("");
      await refresh("groups", "members");
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <>
      <h3 className={office.section}>{t("groups.members")}</h3>
      <Text size="sm" c="dimmed">{t("groups.membersText")}</Text>
      <Textarea aria-label={t("groups.typed")} placeholder={t("groups.typedHint")} autosize minRows={2} maxRows={8} value={text} onChange={(e) => setText(e.currentTarget.value)} />
      {text.trim() && (
        <Text size="sm" role="status">
          {t("groups.found", { known: number(found.ids.length) })}
          {found.unknown.length > 0 && <Text span c="var(--danger)">{` · ${t("groups.unknown", { count: found.unknown.length, names: found.unknown.slice(0, SHOWN).join(", ") + (found.unknown.length > SHOWN ? " …" : "") })}`}</Text>}
        </Text>
      )}
      <Group gap="xs">
        <Button size="sm" loading={isBusy} disabled={found.ids.length === 0} onClick={() => void move("join_group")}>{t("groups.join")}</Button>
        <Button size="sm" variant="default" disabled={isBusy || found.ids.length === 0} onClick={() => void move("leave_group")}>{t("groups.leave")}</Button>
        <FileButton accept=".csv,text/csv,text/plain" onChange={(file) => void file?.text().then(setText)}>
          {(props) => <Button {...props} size="sm" variant="subtle" leftSection={<Icon name="upload" size={15} />}>{t("groups.file")}</Button>}
        </FileButton>
      </Group>
    </>
  );
}
