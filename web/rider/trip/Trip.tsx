import { useNavigate } from "@tanstack/react-router";
import { Empty } from "@lib/states";
import { LinkButton } from "../link";
import { keep, useKept } from "../keep";
import { useWords } from "../text";
import { useTrip } from "./current";
import { Done } from "./Done";
import { Live } from "./Live";
import type { Ended } from "./queue";
import { Reserved } from "./Reserved";

/** Whatever is running now: a reservation, a ride, or the word that it is over. */
export function Trip() {
  const t = useWords();
  const trip = useTrip();
  const ended = useKept<Ended>("ended");
  const go = useNavigate();
  if (ended)
    return (
      <Done
        ended={ended}
        onReceipt={() => void go({ to: "/rides/$id", params: { id: ended.receipt.id } }).then(() => keep("ended", null))}
        onMap={() => void go({ to: "/" }).then(() => keep("ended", null))}
      />
    );
  if (!trip)
    return (
      <Empty icon="route" title={t("trip.none")} action={<LinkButton to="/">{t("trip.toMap")}</LinkButton>}>
        {t("trip.noneText")}
      </Empty>
    );
  return trip.booking.status === "in_progress" ? <Live key={trip.booking.id} trip={trip} /> : <Reserved key={trip.booking.id} trip={trip} />;
}
