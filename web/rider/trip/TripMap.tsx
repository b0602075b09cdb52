// The small map of a trip: the vehicle, the way, the zones, and you.
import MapView, { type MapLibre } from "@lib/map/MapView";
import type { GeoJSONSource } from "maplibre-gl";
import { useEffect, useRef } from "react";
import { usePlace } from "../find/place";
import { addRoute, addYou, addZones } from "../map/layers";
import { pin } from "../map/pins";
import { useZones } from "../map/zones";

export interface TripMapProps {
  label: string;
  vehicle: [number, number] | null;
  type: string;
  route?: [number, number][];
  target?: [number, number] | null;
}

export default function TripMap({ label, vehicle, type, route = [], target = null }: TripMapProps) {
  const zones = useZones();
  const { place } = usePlace();
  const map = useRef<MapLibre | null>(null);
  const ready = useRef(false);
  const latest = useRef({ vehicle, route, target, zones, place });

  const draw = (on: MapLibre) => {
    const now = latest.current;
    addZones(on, now.zones);
    addRoute(on, now.route);
    addYou(on, now.place ? [now.place.longitude, now.place.latitude] : null);
    const points = [
      ...(now.vehicle ? [{ at: now.vehicle, image: pin(on, type, null, true) }] : []),
      ...(now.target ? [{ at: now.target, image: pin(on, "parking", null, false) }] : []),
    ];
    const data: GeoJSON.FeatureCollection = {
      type: "FeatureCollection",
      features: points.map(({ at, image }) => ({ type: "Feature", properties: { image }, geometry: { type: "Point", coordinates: at } })),
    };
    const source = on.getSource("points");
    if (source) (source as GeoJSONSource).setData(data);
    else {
      on.addSource("points", { type: "geojson", data });
      on.addLayer({ id: "points", type: "symbol", source: "points", layout: { "icon-image": ["get", "image"], "icon-allow-overlap": true } });
    }
  };

  useEffect(() => {
    latest.current = { vehicle, route, target, zones, place };
    if (map.current && ready.current) draw(map.current);
  });
  useEffect(() => {
    const to = target ?? vehicle;
    if (to) map.current?.easeTo({ center: to, duration: 800 });
  }, [vehicle?.[0], vehicle?.[1], target?.[0], target?.[1]]); // eslint-disable-line react-hooks/exhaustive-deps

  return (
    <MapView
      label={label}
      {...(vehicle ? { centre: vehicle } : {})}
      zoom={15.5}
      onMap={(made) => {
        map.current = made;
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
