// The photos riders send at the end of a ride: looked at one after the other, `+` is good, `-` is bad.
import { Button, Group, SegmentedControl, Skeleton, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { useKeys } from "@lib/keys";
import { Empty, Rows } from "@lib/states";
import { useMemo, useState } from "react";
import { deed } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { Card } from "../parts/Card";
import { Page } from "../parts/Page";
import { usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Picture, usePhoto } from "../rentals/Ride";
import { Go, useGo, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";

type Photo = Schema<"EndPhotoView">;
const FILTERS = ["unseen", "bad", "good", "all"] as const;

const review = (photo: Photo, verdict: Photo["verdict"], note = "") =>
  ok(api.PUT("/api/v1/rentals/{rental_id}/photo/review", { params: { path: { rental_id: photo.rental_id } }, body: { verdict: verdict as "good" | "bad" | null, note } }));

export default function Photos() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const [judging, setJudging] = useState<Photo | null>(null);
  const [note, setNote] = useState("");
  const filter = FILTERS.find((each) => each === query.show) ?? "unseen";
  const found = usePages(["photos", filter], (offset) => ok(api.GET("/api/v1/end-photos", { params: { query: { offset, limit: 24, ...(filter === "all" ? {} : { verdict: filter }) } } })), (page) => page.photos);
  const first = found.rows[0];
  const say = useMemo(() => (photo: Photo, verdict: "good" | "bad", words = "") =>
    deed(["photos"], t(verdict === "good" ? "photos.saidGood" : "photos.saidBad"), () => review(photo, verdict, words), () => review(photo, photo.verdict, photo.note)), [t]);
  useKeys(useMemo(() => (first && filter === "unseen" ? [{ keys: "+", what: t("photos.good"), run: () => void say(first, "good") }, { keys: "-", what: t("photos.bad"), run: () => setJudging(first) }] : []), [first, filter, say, t]));
  return (
    <Page
      title={t("photos.title")} beside={found.total !== undefined && <Text c="dimmed" role="status">{t("photos.left", { count: found.total })}</Text>}
      below={<SegmentedControl size="sm" aria-label={t("photos.title")} value={filter} onChange={(show) => change({ show })} data={FILTERS.map((value) => ({ value, label: n(`photos.filter.${value}`) }))} />}
    >
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={2} height={220} /> : found.rows.length === 0 ? <Card><Empty icon="camera" title={t("photos.none")}>{t("photos.noneText")}</Empty></Card> : (
        <>
          <div className={office.photos}>{found.rows.map((photo) => <One key={photo.rental_id} photo={photo} onGood={() => void say(photo, "good")} onBad={() => setJudging(photo)} />)}</div>
          {found.isMore && <Button mt="md" variant="light" onClick={found.onEnd}>{t("photos.more")}</Button>}
        </>
      )}
      {judging && (
        <FormDialog title={t("photos.badTitle")} submit={t("photos.bad")} onClose={() => setJudging(null)} onSubmit={async () => { await say(judging, "bad", note.trim()); setNote(""); }}>
          <Textarea label={t("photos.noteLabel")} value={note} maxLength={500} autosize minRows={2} onChange={(e) => setNote(e.currentTarget.value)} data-autofocus />
        </FormDialog>
      )}
    </Page>
  );
}

function One({ photo, onGood, onBad }: { photo: Photo; onGood: () => void; onBad: () => void }) {
  const t = useWords();
  const n = useNames();
  const go = useGo();
  const { data } = usePhoto(photo.rental_id);
  return (
    <article className={office.photo} aria-label={t("photos.alt", { at: at(photo.taken_at) })}>
      <button type="button" aria-label={t("photos.ride")} onClick={() => go("/rentals", { r: photo.rental_id })}>
        {data ? <Picture of={data} alt={t("photos.alt", { at: at(photo.taken_at) })} /> : <Skeleton h={180} />}
      </button>
      <div>
        <Text size="sm">{n(`type.${photo.vehicle.type}`)} · <PersonName id={photo.user_id} link /></Text>
        <Text size="sm" c="dimmed">{at(photo.taken_at)} · <Go to="/rentals" query={{ r: photo.rental_id }}>{t("photos.ride")}</Go></Text>
        {photo.verdict && <State tone={photo.verdict === "good" ? "good" : "danger"}>{t(photo.verdict === "good" ? "photos.saidGood" : "photos.saidBad")}</State>}
        {photo.note && <Text size="sm">{photo.note}</Text>}
        <Group gap="xs" mt={6}>
          <Button size="compact-sm" variant={photo.verdict === "good" ? "filled" : "light"} onClick={onGood}>{t("photos.good")}</Button>
          <Button size="compact-sm" variant={photo.verdict === "bad" ? "filled" : "light"} color="red" onClick={onBad}>{t("photos.bad")}</Button>
        </Group>
      </div>
    </article>
  );
}
