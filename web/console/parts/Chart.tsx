// A picture of figures that stand beside it in words. ECharts comes when the first chart is drawn; only the
// parts that the console uses are in it.
import { Skeleton } from "@mantine/core";
import { useLight } from "@lib/Frame";
import { useEffect, useRef, useState } from "react";
import type { ChartOption, Drawn } from "./echarts";

export type { ChartOption };

/** The colour of a token, as the canvas needs it. Call it within `option`, which is asked again when light changes. */
export const tone = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

interface ChartProps {
  /** What it shows, for those who do not see it. */
  label: string;
  option: () => ChartOption;
  height?: number;
  onPick?: (name: string) => void;
}

export function Chart({ label, option, height = 200, onPick }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const [ready, setReady] = useState(false);
  const { shown: light } = useLight();
  const pick = useRef(onPick);
  useEffect(() => {
    pick.current = onPick;
  });
  useEffect(() => {
    let gone = false;
    const resize = new ResizeObserver(() => drawn.current?.resize());
    void import("./echarts").then(({ draw }) => {
      if (gone || !box.current) return;
      drawn.current = draw(box.current);
      drawn.current.on("click", (event) => pick.current?.(event.name));
      resize.observe(box.current);
      setReady(true);
    });
    return () => {
      gone = true;
      resize.disconnect();
      drawn.current?.dispose();
      drawn.current = null;
    };
  }, []);
  useEffect(() => {
    if (!ready) return;
    const quiet = { color: tone("quiet"), fontFamily: getComputedStyle(document.body).fontFamily };
    drawn.current?.setOption({ textStyle: quiet, animation: false, ...option() }, true);
  }, [ready, option, light]);
  return (
    <div role="img" aria-label={label} style={{ height, position: "relative" }} data-drawn={ready || undefined}>
      {!ready && <Skeleton h={height} />}
      <div ref={box} style={{ position: "absolute", inset: 0 }} aria-hidden="true" />
    </div>
  );
}
