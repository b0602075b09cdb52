// A line drawn by hand around vehicles. The keyboard's way to the same is the filter and "select all".
import { useKeys } from "@lib/keys";
import { useMemo, useState, type PointerEvent } from "react";
import { useWords } from "../text";
import classes from "./fleet.module.css";

type Point = [number, number];

export function Lasso({ hint, onRing, onCancel }: { hint: string; onRing: (ring: Point[]) => void; onCancel: () => void }) {
  const t = useWords();
  const [ring, setRing] = useState<Point[]>([]);
  useKeys(useMemo(() => [{ keys: "Escape", what: t("cancel"), run: onCancel }], [onCancel, t]));
  const at = (event: PointerEvent<SVGSVGElement>): Point => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  return (
    <>
      <svg
        className={classes.lasso}
        onPointerDown={(e) => { e.currentTarget.setPointerCapture(e.pointerId); setRing([at(e)]); }}
        onPointerMove={(e) => { if (ring.length) { const point = at(e); setRing((now) => [...now, point]); } }}
        onPointerUp={() => onRing(ring)}
      >
        <polygon points={ring.map((p) => p.join(",")).join(" ")} />
      </svg>
      <div className={classes.hint} role="status">{hint}</div>
    </>
  );
}
