// A table that may be wider than the screen: it goes on sideways, by finger, mouse or keyboard.
import { useEffect, useRef, useState, type ReactNode } from "react";
import classes from "./office.module.css";

export function Wide({ children }: { children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [goesOn, setGoesOn] = useState(false);

  useEffect(() => {
    const frame = box.current;
    if (!frame || typeof ResizeObserver === "undefined") return;
    const look = new ResizeObserver(() => setGoesOn(frame.scrollWidth > frame.clientWidth));
    for (const each of [frame, ...frame.children]) look.observe(each);
    return () => look.disconnect();
  }, []);

  // A stop for the keyboard only where there is something to scroll to.
  return <div ref={box} className={classes.wide} tabIndex={goesOn ? 0 : undefined}>{children}</div>;
}
