import { Badge, Button, Container, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { at, distance, minutes, money } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { Empty, Failed, Rows } from "@lib/states";
import { LinkButton } from "../link";
import { useWords, type Key } from "../text";
import classes from "./rides.module.css";

const PAGE = 20;

export function Rides() {
  const t = useWords();
  const rides = useInfiniteQuery({
    queryKey: ["rides"],
    queryFn: ({ pageParam }) => ok(api.GET("/api/v1/rentals", { params: { query: { limit: PAGE, offset: pageParam } } })),
    initialPageParam: 0,
    getNextPageParam: ({ pagination }) => (pagination.has_more ? pagination.offset + PAGE : undefined),
  });
  const shown = rides.data?.pages.flatMap((page) => page.rentals) ?? [];
  return (
    <Container size={640} py="lg" px="md">
      <Stack gap="md">
        <Title order={1}>{t("rides.title")}</Title>
        {rides.isPending ? <Rows /> : rides.isError && shown.length === 0 ? <Failed error={rides.error} again={() => void rides.refetch()} /> : shown.length === 0 ? (
          <Empty icon="route" title={t("rides.empty")} action={<LinkButton to="/">{t("rides.find")}</LinkButton>}>{t("rides.emptyText")}</Empty>
        ) : (
          <ul className={classes.rows}>
            {shown.map((ride) => <li key={ride.id}><Row ride={ride} /></li>)}
          </ul>
        )}
        {rides.hasNextPage && <Button variant="default" loading={rides.isFetchingNextPage} onClick={() => void rides.fetchNextPage()}>{t("rides.more")}</Button>}
      </Stack>
    </Container>
  );
}

function Row({ ride }: { ride: Schema<"ShownRide"> }) {
  const t = useWords();
  const over = ride.total_cost !== null;
  const facts = [
    t(`type.${ride.vehicle.type}` as Key), ride.duration_minutes !== null && minutes(ride.duration_minutes), over && distance(ride.total_distance * 1000), ride.business_trip && t("rides.business"),
  ].filter(Boolean);
  const inside = (
    <>
      <span className={classes.badge}><Icon name={vehicleIcon(ride.vehicle.type)} size={26} /></span>
      <span className={classes.text}>
        <strong>{at(ride.start_time)}</strong>
        <Text span size="sm" c="dimmed">
          {facts.map((each, i) => <span key={i}>{i > 0 && " "}<span className={classes.whole}>{i > 0 && "· "}{each}</span></span>)}
        </Text>
      </span>
      {ride.total_cost !== null ? <strong className="figures">{money(ride.total_cost, ride.pricing.currency)}</strong> : <Badge variant="light">{t("rides.running")}</Badge>}
      <Icon name="chevron" size={18} />
    </>
  );
  return over ? <Link className={classes.row} to="/rides/$id" params={{ id: ride.id }}>{inside}</Link> : <Link className={classes.row} to="/trip">{inside}</Link>;
}
