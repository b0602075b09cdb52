// The map of both faces. It only draws: what it shows must be reachable without it, because there are
// devices without WebGL and people who do not use a map.
import { Skeleton, Text } from "@mantine/core";
import type { Map as MapLibre } from "maplibre-gl";
import type * as Draw from "./draw";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { mapStart } from "../config";
import { useLight } from "../Frame";
import { useText } from "../i18n";
import { Icon } from "../icons";
import classes from "./map.module.css";
import { drawNames, mapStyle } from "./style";
import { cannotDraw, useCanDraw } from "./support";

export type { MapLibre };
export type Drawing = typeof Draw;

export interface MapViewProps {
  label: string;
  centre?: [longitude: number, latitude: number];
  zoom?: number;
  /** Called after each load of a style (also when light changes): add sources and layers here. */
  onStyle?: (map: MapLibre, draw: Drawing) => void;
  /** Called once. What it returns is called when the map goes. */
  onMap?: (map: MapLibre, draw: Drawing) => (() => void) | undefined;
  /** Shown instead where nothing can be drawn; by default a sentence that points to the list. */
  fallback?: ReactNode;
  children?: ReactNode;
}

export default function MapView({ label, centre, zoom = 14, onStyle, onMap, fallback, children }: MapViewProps) {
  const t = useText<"map.unavailable" | "map.loading">();
  const box = useRef<HTMLDivElement>(null);
  const map = useRef<MapLibre | null>(null);
  const calls = useRef({ onStyle, onMap });
  const { shown: light } = useLight();
  const can = useCanDraw();
  const [state, setState] = useState<"loading" | "drawn" | "cannot">("loading");
  const first = useRef({ centre, zoom, label });

  useEffect(() => {
    calls.current = { onStyle, onMap };
  });

  useEffect(() => {
    if (!box.current) return;
    const container = box.current;
    let gone = false;
    let leave: (() => void) | undefined;
    import("./draw")
      .then((draw) => {
        if (gone) return;
        const start = first.current.centre ? { centre: first.current.centre, zoom: first.current.zoom } : mapStart(first.current.zoom);
        const made = new draw.maplibregl.Map({
          container,
          style: mapStyle(),
          center: start.centre,
          zoom: start.zoom,
          attributionControl: { compact: false },
          dragRotate: false,
          pitchWithRotate: false,
          maxPitch: 0,
          fadeDuration: 0,
        });
        made.touchZoomRotate.disableRotation();
        made.getCanvas().setAttribute("aria-label", first.current.label);
        map.current = made;
        drawNames(made);
        made.on("style.load", () => calls.current.onStyle?.(made, draw));
        made.once("idle", () => {
          setState("drawn");
          container.dataset.idle = "true";
        });
        leave = calls.current.onMap?.(made, draw);
      })
      .catch((problem: unknown) => {
        if (gone) return;
        setState("cannot");
        if (problem instanceof Error && /webgl/i.test(problem.message)) cannotDraw();
      });
    return () => {
      gone = true;
      leave?.();
      map.current?.remove();
      map.current = null;
    };
  }, []);

  useEffect(() => {
    map.current?.setStyle(mapStyle(), { diff: false });
  }, [light]);

  if (state === "cannot" || !can)
    return fallback ?? (
      <div className={classes.cannot}>
        <Icon name="map" size={32} />
        <Text c="dimmed" ta="center">{t("map.unavailable")}</Text>
      </div>
    );
  return (
    <div className={classes.frame} role="region" aria-label={label}>
      <div ref={box} className={classes.map} />
      {state === "loading" && <Skeleton className={classes.over} radius={0} role="status" aria-label={t("map.loading")} />}
      {children}
    </div>
  );
}
