// The way of a ride on the map, and the vehicle running along it.
import { ActionIcon, Text } from "@mantine/core";
import { Rows } from "@lib/states";
import { at, distance } from "@lib/format";
import { Icon } from "@lib/icons";
import type { MapLibre } from "@lib/map/MapView";
import type { Schema } from "@lib/api/client";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { tone } from "../parts/Chart";
import { useWords } from "../text";
import classes from "../office/office.module.css";
import { boundsOf, lengthOf, placeAt } from "./replay";

const MapView = lazy(() => import("@lib/map/MapView"));
/** A ride is played in this time, whatever it took. */
const PLAYED_S = 12;

export function Track({ track }: { track: Schema<"RideTrack"> }) {
  const t = useWords();
  const map = useRef<MapLibre | null>(null);
  const length = lengthOf(track);
  const [now, setNow] = useState(length);
  const [playing, setPlaying] = useState(false);
  const bounds = useMemo(() => boundsOf(track), [track]);
  const here = placeAt(track, now);
  const line = useMemo(() => ({ type: "LineString" as const, coordinates: track.longitude.map((x, i) => [x, track.latitude[i] as number]) }), [track]);

  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    let before = performance.now();
    const step = (stamp: number) => {
      const passed = ((stamp - before) / 1000) * (length / PLAYED_S);
      before = stamp;
      setNow((value) => {
        if (value + passed >= length) setPlaying(false);
        return Math.min(length, value + passed);
      });
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [playing, length]);

  useEffect(() => {
    const source = map.current?.getSource("here");
    if (source && here && "setData" in source) (source as { setData: (data: unknown) => void }).setData({ type: "Point", coordinates: here });
  }, [here]);
  useEffect(() => {
    const source = map.current?.getSource("way");
    if (source && "setData" in source) (source as { setData: (data: unknown) => void }).setData(line);
  }, [line]);

  if (!bounds) return <Text size="sm" c="dimmed">{t("rentals.trackNone")}</Text>;
  const draw = (made: MapLibre) => {
    map.current = made;
    made.addSource("way", { type: "geojson", data: line });
    made.addSource("here", { type: "geojson", data: { type: "Point", coordinates: here ?? [0, 0] } });
    made.addLayer({ id: "way", type: "line", source: "way", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": tone("in_use"), "line-width": 4 } });
    made.addLayer({ id: "here", type: "circle", source: "here", paint: { "circle-radius": 7, "circle-color": tone("brand"), "circle-stroke-color": tone("card"), "circle-stroke-width": 2.5 } });
    made.fitBounds(bounds, { padding: 36, maxZoom: 16, animate: false });
  };
  const start = track.at[0] as string;
  const moment = at(new Date(Date.parse(start) + now * 1000), "full");
  return (
    <>
      <div className={classes.track}>
        <Suspense fallback={<Rows count={1} height={256} />}>
          <MapView label={t("rentals.trackMap")} onStyle={draw} />
        </Suspense>
      </div>
      <div className={classes.replay}>
        <ActionIcon variant="light" size={36} aria-label={playing ? t("rentals.stop") : t("rentals.play")}
          onClick={() => { if (!playing && now >= length) setNow(0); setPlaying(!playing); }}>
          <Icon name={playing ? "pause" : "play"} size={18} />
        </ActionIcon>
        <input type="range" min={0} max={length} step="any" value={now} aria-label={t("rentals.moment")} aria-valuetext={moment}
          onChange={(e) => { setPlaying(false); setNow(Number(e.currentTarget.value)); }} />
        <Text size="sm" className="figures" c="dimmed">{at(new Date(Date.parse(start) + now * 1000), "time")}</Text>
      </div>
      <Text size="sm" c="dimmed" mt={4}>{distance(track.distance_m)} · {t("rentals.battery")}: {track.battery_used_pct} %</Text>
    </>
  );
}
