import { ICON_PATHS, type IconName } from "@lib/icons";

type Given = Record<string, string | number | boolean | EventListener | undefined>;
type Child = Node | string | null;

/** An element: what is a function listens (`onclick`), everything else is an attribute. */
export function h<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, given: Given = {}, ...children: Child[]): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** What `<Icon>` draws. */
export function icon(name: IconName, size: number): SVGElement {
  const made = document.createElementNS(SVG, "svg");
  const line = { viewBox: "0 0 24 24", width: size, height: size, fill: "none", stroke: "currentColor", "stroke-width": 1.9, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(line)) made.setAttribute(key, String(value));
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICON_PATHS[name]);
  made.append(path);
  return made;
}
