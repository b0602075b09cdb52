// One ride: what it cost and why, how it was paid, where it went, and what can be put right.
import { Button, Group, Text } from "@mantine/core";
import { api, ok, sendRequest, type Schema } from "@lib/api/client";
import { ApiProblem, problemOf } from "@lib/errors";
import { at, distance, masked, minutes, money, price } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { deed } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Go } from "../shell/place";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";
import { RefundForm } from "./RefundForm";
import { Track } from "./Track";

type Shown = Schema<"ShownRide">;
export const rideTone = (status: string): string => (status === "completed" ? "good" : "in_use");

export function Ride({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const ride = useQuery({
    queryKey: ["rental", id],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}", { params: { path: { rental_id: id } } })),
    refetchInterval: (query) => (query.state.data?.status === "completed" ? false : 5_000),
  });
  const isOver = ride.data?.status === "completed";
  return (
    <Panel title={t("rentals.one")} label={`${t("rentals.one")} ${id}`} onClose={onClose} width={520}>
      {ride.error && <Problem error={ride.error} again={() => void ride.refetch()} />}
      {ride.isPending && <Rows count={4} />}
      {ride.data && (
        <>
          <Group justify="space-between" mb="sm">
            <State tone={rideTone(ride.data.status)}>{n(`rentals.status.${ride.data.status}`)}</State>
            {!isOver && <EndRide ride={ride.data} />}
          </Group>
          <Facts ride={ride.data} />
          <Bill ride={ride.data} />
          <Paid id={id} isOver={isOver} />
          <Way id={id} isOver={isOver} />
          {isOver && <Photo id={id} />}
          <History id={id} />
        </>
      )}
    </Panel>
  );
}

function Facts({ ride }: { ride: Shown }) {
  const t = useWords();
  const n = useNames();
  const vehicle = useQuery({
    queryKey: ["vehicle-name", ride.vehicle.id],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: ride.vehicle.id } } })),
    staleTime: Infinity,
  });
  return (
    <Pairs of={[
      [t("rentals.rider"), <PersonName key="p" id={ride.user_id} link />],
      [t("rentals.vehicle"), vehicle.data
        ? <Go key="v" to="/vehicles" query={{ v: vehicle.data.identifier }}><Text span size="sm" c="var(--brand)" td="underline">{vehicle.data.identifier}</Text></Go>
        : n(`type.${ride.vehicle.type}`)],
      [t("rentals.started"), at(ride.start_time, "full")],
      [t("rentals.ended"), ride.end_time && at(ride.end_time, "full")],
      [t("rentals.length"), ride.duration_minutes !== null && minutes(ride.duration_minutes)],
      [t("rentals.way"), distance(ride.total_distance * 1000)],
      [t("rentals.business"), ride.business_trip && <Icon key="b" name="check" size={16} label={t("rentals.business")} />],
      [t("rentals.rating"), ride.rating !== null && t("rentals.stars", { count: ride.rating })],
      [t("rentals.feedback"), ride.feedback],
      ["ID", <span key="id" className={office.mono}>{ride.id}</span>],
    ]} />
  );
}

/** The price as it came about; while riding, what it is so far. */
function Bill({ ride }: { ride: Shown }) {
  const t = useWords();
  const { currency, price_per_minute } = ride.pricing;
  const status = useQuery({
    queryKey: ["rental", ride.id, "status"],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}/status", { params: { path: { rental_id: ride.id } } })),
    refetchInterval: 5_000,
    enabled: ride.cost_breakdown === null,
  });
  const of = ride.cost_breakdown;
  const lines: [string, number][] = of
    ? [
        [t("rentals.baseFee"), of.base_fee],
        [t("rentals.timeCost", { minutes: ride.duration_minutes ?? 0, price: price(price_per_minute, currency) }), of.time_cost],
        ...(of.promo_discount ? [[t("rentals.promo"), of.promo_discount] as [string, number]] : []),
        ...(of.parking_bonus ? [[t("rentals.bonus"), of.parking_bonus] as [string, number]] : []),
        ...(of.tax_included ? [] : [[t("rentals.taxOnTop"), of.tax] as [string, number]]),
      ]
    : [[t("rentals.baseFee"), ride.pricing.base_fee]];
  return (
    <section aria-label={t("rentals.price")}>
      <h3 className={office.section}>{t("rentals.price")}</h3>
      <table className={office.lines}>
        <tbody>
          {lines.map(([name, value]) => <tr key={name}><td>{name}</td><td className={office.end}>{money(value, currency)}</td></tr>)}
          <tr className={office.sum}>
            <td>{of ? t("rentals.total") : t("rentals.costNow")}</td>
            <td className={office.end}>{money(of ? (ride.total_cost ?? 0) : (status.data?.current_cost ?? ride.pricing.base_fee), currency)}</td>
          </tr>
          {of?.tax_included && <tr><td>{t("rentals.tax")}</td><td className={office.end}>{money(of.tax, currency)}</td></tr>}
        </tbody>
      </table>
    </section>
  );
}

/** A rental names its payment in its first event; rides paid from the wallet have none at a gateway. */
export function usePaymentOf(rentalId: string, isOver: boolean) {
  const events = useQuery({
    queryKey: ["rental", rentalId, "events"],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}/events", { params: { path: { rental_id: rentalId } } })),
    refetchInterval: isOver ? false : 10_000,
  });
  const id = events.data?.events.map((event) => event.event_data.payment_id).find((each) => typeof each === "string");
  const payment = useQuery({
    queryKey: ["payment", id],
    queryFn: async () => {
      try {
        return await ok(api.GET("/api/v1/payments/{payment_id}", { params: { path: { payment_id: String(id) } } }));
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 404) return null;
        throw error;
      }
    },
    enabled: id !== undefined,
    refetchInterval: (query) => (query.state.data && ["created", "unknown", "authorized", "action_required"].includes(query.state.data.status) ? 3_000 : false),
  });
  return { events, payment };
}

function Paid({ id, isOver }: { id: string; isOver: boolean }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const { payment } = usePaymentOf(id, isOver);
  const [isRefunding, setRefunding] = useState(false);
  const approvals = useQuery({
    queryKey: ["approvals", "pending"],
    queryFn: () => ok(api.GET("/api/v1/approvals", { params: { query: { status: "pending", limit: 100 } } })),
  });
  const of = payment.data;
  const left = of ? of.amount_captured - of.amount_refunded : 0;
  const waits = of && approvals.data?.approvals.some((each) => each.subject === of.id || JSON.stringify(each.details).includes(of.id));
  return (
    <section aria-label={t("rentals.payment")}>
      <h3 className={office.section}>{t("rentals.payment")}</h3>
      {payment.error && <Problem error={payment.error} again={() => void payment.refetch()} />}
      {of === null && <Text size="sm" c="dimmed">{t("rentals.paymentNone")}</Text>}
      {of && (
        <>
          <Pairs of={[
            [t("rentals.state"), <State key="s" tone={of.status === "completed" ? "good" : of.status === "failed" || of.status === "due" ? "danger" : "notice"}>{n(`rentals.paymentStatus.${of.status}`)}</State>],
            [t("rentals.authorized"), money(of.amount_authorized, of.currency)],
            [t("rentals.paid"), money(of.amount_captured, of.currency)],
            [t("rentals.refunded"), of.amount_refunded > 0 && money(of.amount_refunded, of.currency)],
            [t("rentals.method"), masked(of.payment_method)],
            [t("rentals.reason"), of.reason],
            [t("rentals.transaction"), of.transaction_id && <span key="t" className={office.mono}>{of.transaction_id}</span>],
          ]} />
          {waits && <Text size="sm" mt="xs">{t("rentals.pending")} · <Go to="/approvals">{t("rentals.toApprovals")}</Go></Text>}
          {left > 0 && may?.("payments.refund.create") && (
            <Button mt="sm" size="sm" variant="light" leftSection={<Icon name="undo" size={16} />} onClick={() => setRefunding(true)}>{t("rentals.refund")}</Button>
          )}
          {isRefunding && <RefundForm payment={of} onClose={() => setRefunding(false)} />}
        </>
      )}
    </section>
  );
}

function EndRide({ ride }: { ride: Shown }) {
  const t = useWords();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  if (!may?.("rentals.rental.end_any")) return null;
  const end = async () => {
    const ended = await ok(api.POST("/api/v1/rentals/{rental_id}/end", { params: { path: { rental_id: ride.id } }, body: {} }));
    await deed(["rental", "rentals", "payment"], t("rentals.endDone", { amount: money(ended.total_cost, ended.currency) }), async () => undefined);
  };
  return (
    <>
      <Button size="sm" variant="light" color="red" onClick={() => setOpen(true)}>{t("rentals.end")}</Button>
      {isOpen && (
        <FormDialog title={t("rentals.endTitle")} submit={t("rentals.end")} danger onClose={() => setOpen(false)} onSubmit={end}>
          <Text size="sm">{t("rentals.endText")}</Text>
        </FormDialog>
      )}
    </>
  );
}

function Way({ id, isOver }: { id: string; isOver: boolean }) {
  const t = useWords();
  const track = useQuery({
    queryKey: ["rental", id, "track"],
    queryFn: () => ok(api.GET("/api/v1/rentals/{rental_id}/track", { params: { path: { rental_id: id } } })),
    refetchInterval: isOver ? false : 10_000,
  });
  return (
    <section aria-label={t("rentals.track")}>
      <h3 className={office.section}>{t("rentals.track")}</h3>
      {track.error && <Problem error={track.error} again={() => void track.refetch()} />}
      {track.isPending && <Rows count={1} height={256} />}
      {track.data && <Track track={track.data} />}
    </section>
  );
}

/** A ride's photo; null when there is none. The API wants the token, so a plain `src` cannot fetch it. */
export function usePhoto(rentalId: string) {
  return useQuery({
    queryKey: ["photo", rentalId],
    queryFn: async () => {
      const answer = await sendRequest(new Request(new URL(`/api/v1/rentals/${rentalId}/photo`, location.origin)));
      if (answer.status === 404) return null;
      if (!answer.ok) throw await problemOf(answer);
      return answer.blob();
    },
    staleTime: Infinity,
  });
}

/** A picture that is there already; its address lives as long as it is shown. */
export function Picture({ of, alt, className }: { of: Blob; alt: string; className?: string }) {
  const show = useCallback(
    (image: HTMLImageElement | null) => {
      if (!image) return;
      const address = URL.createObjectURL(of);
      image.src = address;
      return () => URL.revokeObjectURL(address);
    },
    [of],
  );
  return <img ref={show} alt={alt} className={className} />;
}

function Photo({ id }: { id: string }) {
  const t = useWords();
  const { data, isPending } = usePhoto(id);
  if (isPending) return null;
  return (
    <section aria-label={t("rentals.photo")}>
      <h3 className={office.section}>{t("rentals.photo")}</h3>
      {data ? <Picture of={data} alt={t("rentals.photoAlt")} className={office.endPhoto ?? ""} /> : <Text size="sm" c="dimmed">{t("rentals.photoNone")}</Text>}
    </section>
  );
}

function History({ id }: { id: string }) {
  const t = useWords();
  const n = useNames();
  const { events } = usePaymentOf(id, true);
  return (
    <section aria-label={t("rentals.history")}>
      <h3 className={office.section}>{t("rentals.history")}</h3>
      {events.error && <Problem error={events.error} />}
      <table className={office.lines}>
        <tbody>
          {events.data?.events.map((event) => (
            <tr key={event.id}>
              <td className="figures">{at(event.created_at, "full")}</td>
              <td>{n(`rentals.event.${event.event_type}`)}</td>
              <td><PersonName id={event.actor} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
