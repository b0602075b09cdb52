import MapView, { type MapLibre } from "@lib/map/MapView";
import type { GeoJSONSource } from "maplibre-gl";
import { useEffect, useRef } from "react";
import { addYou, addZones } from "../map/layers";
import { pin } from "../map/pins";
import { useZones } from "../map/zones";
import { useWords } from "../text";
import { usePlace } from "./place";
import type { Found } from "./search";

interface Props {
  centre: { latitude: number; longitude: number };
  zoom: number;
  vehicles: Found[];
  chosen: string | null;
  onChoose: (id: string) => void;
  onMoved: (to: { latitude: number; longitude: number }) => void;
}

export default function FindMap({ centre, zoom, vehicles, chosen, onChoose, onMoved }: Props) {
  const t = useWords();
  const zones = useZones();
  const { place } = usePlace();
  const map = useRef<MapLibre | null>(null);
  const ready = useRef(false);
  const latest = useRef({ vehicles, chosen, zones, place, onChoose, onMoved });

  const draw = (on: MapLibre) => {
    const now = latest.current;
    addZones(on, now.zones);
    addYou(on, now.place ? [now.place.longitude, now.place.latitude] : null);
    const data: GeoJSON.FeatureCollection = {
      type: "FeatureCollection",
      features: now.vehicles.map((each) => ({
        type: "Feature",
        properties: { id: each.id, image: pin(on, each.type, each.battery, each.id === now.chosen), rank: each.id === now.chosen ? 1 : 0 },
        geometry: { type: "Point", coordinates: [each.location.lon, each.location.lat] },
      })),
    };
    const source = on.getSource("vehicles");
    if (source) (source as GeoJSONSource).setData(data);
    else {
      on.addSource("vehicles", { type: "geojson", data });
      on.addLayer({
        id: "vehicles", type: "symbol", source: "vehicles",
        layout: {
          "icon-image": ["get", "image"], "icon-allow-overlap": true, "symbol-sort-key": ["get", "rank"],
          "icon-size": ["interpolate", ["linear"], ["zoom"], 11, 0.45, 14, 0.8, 16, 1],
        },
      });
    }
  };

  useEffect(() => {
    latest.current = { vehicles, chosen, zones, place, onChoose, onMoved };
    if (map.current && ready.current) draw(map.current);
  });
  useEffect(() => {
    const on = map.current;
    if (!on) return;
    const at = on.getCenter();
    if (Math.hypot(at.lat - centre.latitude, at.lng - centre.longitude) > 0.0005) on.easeTo({ center: [centre.longitude, centre.latitude], duration: 600 });
  }, [centre.latitude, centre.longitude]);
  useEffect(() => {
    const found = vehicles.find((each) => each.id === chosen);
    if (found && map.current) map.current.easeTo({ center: [found.location.lon, found.location.lat], zoom: Math.max(15.5, map.current.getZoom()), duration: 600 });
  }, [chosen]); // eslint-disable-line react-hooks/exhaustive-deps

  return (
    <MapView
      label={t("map.label")}
      centre={[centre.longitude, centre.latitude]}
      zoom={zoom}
      onMap={(made) => {
        map.current = made;
        made.on("click", "vehicles", (event) => {
          const id = event.features?.[0]?.properties.id as string | undefined;
          if (id) latest.current.onChoose(id);
        });
        made.on("mouseenter", "vehicles", () => (made.getCanvas().style.cursor = "pointer"));
        made.on("mouseleave", "vehicles", () => (made.getCanvas().style.cursor = ""));
        made.on("moveend", (event) => {
          if (!event.originalEvent) return; // only what the person moved
          const to = made.getCenter();
          latest.current.onMoved({ latitude: to.lat, longitude: to.lng });
        });
        return () => {
          map.current = null;
        };
      }}
      onStyle={(on) => {
        ready.current = true;
        draw(on);
      }}
    />
  );
}
