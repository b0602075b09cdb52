import { Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { hasText } from "@lib/i18n";
import { Empty, Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { Problem } from "../parts/Problem";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import { period } from "./Telemetry";
import classes from "./fleet.module.css";

type Happening = Schema<"HappeningView">;

/** What happened to a vehicle, newest first; `kind` "command" leaves the rest out. */
export function Story({ id, hours, kind }: { id: string; hours: number; kind?: "command" }) {
  const t = useWords();
  const found = useQuery({
    queryKey: ["story", id, hours],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}/timeline", { params: { path: { vehicle_id: id }, query: { ...period(hours), limit: 100 } } })),
    refetchInterval: 15_000,
  });
  if (found.isPending) return <Rows count={5} height={28} />;
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  const shown = found.data.happenings.filter((h) => !kind || h.kind === kind);
  if (shown.length === 0) return <Empty icon="clock" title={t("fleet.panel.noStory")} />;
  return <ol className={classes.story}>{shown.map((one, n) => <One key={`${one.at}-${n}`} of={one} withDay={hours > 24} />)}</ol>;
}

function One({ of, withDay }: { of: Happening; withDay: boolean }) {
  const n = useNames();
  const status = typeof of.details.status === "string" ? of.details.status : "";
  const title = of.kind === "command" && hasText(`fleet.command.${of.name}`) ? n(`fleet.command.${of.name}`) : hasText(`fleet.happened.${of.name}`) ? n(`fleet.happened.${of.name}`) : of.name;
  const state = hasText(`fleet.command.status.${status}`) ? n(`fleet.command.status.${status}`) : hasText(`status.${status}`) ? n(`status.${status}`) : status;
  return (
    <li>
      <time dateTime={of.at}>{at(of.at, withDay ? "dateTime" : "time")}</time>
      <div>
        <Text size="sm" fw={550}>{title}{state && `: ${state}`}</Text>
        {of.rental_id && <Text size="xs"><Go to={`/rentals/${of.rental_id}`}>{n("fleet.panel.rides")}</Go></Text>}
      </div>
    </li>
  );
}
