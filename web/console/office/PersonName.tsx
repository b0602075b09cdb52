import { Text } from "@mantine/core";
import { Go } from "../shell/place";
import { nameOf, shortId, usePerson } from "./people";

/** Who it is, as a link to the person; ids that are no person's (`room:rentals`) as they are. */
export function PersonName({ id, link = false }: { id: string | null | undefined; link?: boolean }) {
  const { data } = usePerson(id ?? undefined);
  if (!id) return null;
  const name = data ? nameOf(data) : id.startsWith("usr_") ? shortId(id) : id;
  if (!link) return <span title={id}>{name}</span>;
  return <Go to="/customers" query={{ c: id }}><Text span size="sm" c="var(--brand)" td="underline">{name}</Text></Go>;
}
