// The home screen: a map, and beside it the same vehicles as a list.
import { ActionIcon, Button, Chip, Group, Title } from "@mantine/core";
import { useNavigate, useSearch as useRouteSearch } from "@tanstack/react-router";
import { mapStart } from "@lib/config";
import { Icon, vehicleIcon } from "@lib/icons";
import { Empty, Failed, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { soon } from "@lib/soon";
import { lazy, Suspense, useEffect, useState } from "react";
import { LinkButton } from "../link";
import { useWords } from "../text";
import { useTrip } from "../trip/current";
import classes from "./find.module.css";
import { askPlace, metresBetween, usePlace } from "./place";
import { narrowing, TYPES, useFilter, useSearch, type Found } from "./search";
import { VehicleRow } from "./VehicleRow";

const FindMap = lazy(() => import("./FindMap"));
const VehicleSheet = lazy(() => import("./VehicleSheet"));
const Filters = lazy(() => import("./Filters"));
const MOVED_M = 120;

export function Find() {
  const t = useWords();
  const go = useNavigate();
  const { v: chosen } = useRouteSearch({ from: "/" });
  const { place, asked } = usePlace();
  const [filter, change] = useFilter();
  const [start] = useState(() => mapStart(15));
  // Until the person moves the map, it follows them.
  const [moved, setMoved] = useState<{ latitude: number; longitude: number } | null>(null);
  const centre = moved ?? place ?? { latitude: start.centre[1], longitude: start.centre[0] };
  const [large, setLarge] = useState(false);
  const [mapped, setMapped] = useState(false);
  const [filtering, setFiltering] = useState<boolean | null>(null); // null: never opened, not loaded
  const trip = useTrip();
  const search = useSearch(centre, filter);

  useEffect(askPlace, []);
  // The list first: the map is larger than the rest of the app, and the list has the same vehicles.
  const answered = search.isFetched;
  useEffect(() => {
    if (answered) soon(() => setMapped(true));
  }, [answered]);

  const from = place && metresBetween(place, centre) < 20_000 ? place : centre;
  const vehicles = (search.data?.vehicles ?? [])
    .map((each) => ({ ...each, metres: metresBetween(from, { latitude: each.location.lat, longitude: each.location.lon }) }))
    .sort((a, b) => a.metres - b.metres);
  const choose = (id: string | null) => void go({ to: "/", search: id ? { v: id } : {}, replace: true });
  const move = (to: { latitude: number; longitude: number }) => {
    if (metresBetween(to, centre) > MOVED_M) setMoved(to);
  };
  const locate = () => {
    askPlace();
    setMoved(null);
    if (!place && asked === "refused") toast.plain(t("find.noPlace"));
  };
  const on = narrowing(filter);

  return (
    <div className={classes.find} data-large={large || undefined} data-chosen={chosen ? true : undefined}>
      <div className={classes.map}>
        <Suspense fallback={null}>
          {mapped && <FindMap centre={centre} zoom={place ? 15 : start.zoom} vehicles={vehicles} chosen={chosen ?? null} onChoose={choose} onMoved={move} />}
        </Suspense>
        <div className={classes.top}>
          <Chip.Group value={filter.type ?? "all"} onChange={(value) => change({ type: value === "all" ? null : (value as Found["type"] as never) })}>
            <div className={classes.chips} role="group" aria-label={t("find.types")}>
              <Chip value="all" size="md" radius="xl" variant="filled" classNames={{ label: classes.chip }}>{t("find.all")}</Chip>
              {TYPES.map((type) => (
                <Chip key={type} value={type} size="md" radius="xl" variant="filled" icon={<Icon name={vehicleIcon(type)} size={16} />} classNames={{ label: classes.chip }}>
                  {t(`type.${type}`)}
                </Chip>
              ))}
            </div>
          </Chip.Group>
        </div>
        <div className={classes.corner}>
          <ActionIcon size={48} radius="xl" variant="default" className={classes.round} aria-label={t("find.locate")} onClick={locate}><Icon name="locate" /></ActionIcon>
        </div>
      </div>
      <section className={classes.panel} aria-label={t("find.list")}>
        {chosen ? (
          <Suspense fallback={<Rows count={3} />}><VehicleSheet id={chosen} found={vehicles.find((each) => each.id === chosen) ?? null} from={from} onClose={() => choose(null)} onOther={choose} onPlace={move} /></Suspense>
        ) : (
          <>
            <button type="button" className={classes.grip} aria-expanded={large} aria-label={large ? t("find.shrink") : t("find.expand")} onClick={() => setLarge(!large)}><i /></button>
            <Group className={classes.head} justify="space-between" wrap="nowrap">
              <Title order={1} size="h4" aria-live="polite">{search.data ? t("find.count" as never, { count: vehicles.length }) : t("find.near")}</Title>
              <Group gap="xs" wrap="nowrap">
                <ActionIcon
                  size={44} radius="xl" variant={on ? "light" : "default"} onClick={() => setFiltering(true)}
                  aria-label={on ? t("find.filtersOn" as never, { count: on }) : t("find.filters")}
                >
                  <Icon name="filter" size={20} />
                </ActionIcon>
                {!trip && <LinkButton to="/scan" size="md" radius="xl" leftSection={<Icon name="qr" size={18} />}>{t("find.scan")}</LinkButton>}
              </Group>
            </Group>
            <div className={classes.list}>
              {search.isPending ? <Rows count={4} height={72} />
                : search.isError && !search.data ? <Failed error={search.error} again={() => void search.refetch()} />
                : vehicles.length === 0 ? (
                  <Empty icon="search" title={t("find.none")} action={filter.radius < 10_000 && <Button variant="light" onClick={() => change({ radius: filter.radius * 2 })}>{t("find.widen")}</Button>}>
                    {t("find.noneText")}
                  </Empty>
                ) : (
                  <ul className={classes.rows}>
                    {vehicles.map((each) => <li key={each.id}><VehicleRow vehicle={each} onChoose={() => choose(each.id)} /></li>)}
                  </ul>
                )}
            </div>
          </>
        )}
      </section>
      {filtering !== null && (
        <Suspense fallback={null}>
          <Filters opened={filtering} onClose={() => setFiltering(false)} models={[...new Set(vehicles.map((each) => each.model))].sort()} />
        </Suspense>
      )}
    </div>
  );
}
