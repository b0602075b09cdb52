// What a group of screens tells the console about itself. Each group has one `screens.ts` that exports
// a list of these, and one line in `console/screens.ts`.
import type { IconName } from "@lib/icons";
import type { ComponentType } from "react";
import type { Key } from "../text";

export const SECTIONS = ["operations", "fleet", "riders", "money", "company", "platform"] as const;
export type Section = (typeof SECTIONS)[number];

export interface Screen {
  /** Below /console: "/vehicles", "/rentals/$id". */
  path: string;
  /** The screen is the default export of its module. */
  load: () => Promise<{ default: ComponentType }>;
  /** What takes long and may begin before it is known who asks: the code of a map. */
  warmUp?: () => void;
  /** Not shown, and not reachable, without this permission of the API, or one of these. */
  permission?: string | readonly string[];
  nav?: {
    section: Section;
    label: Key;
    icon: IconName;
    /** `g` and then this letter opens it: one letter, once. Taken ones are in notes/CONSOLE.md. */
    go?: string;
    /** A hook: how much waits there for this person. Asked for wherever one is. */
    count?: () => number;
  };
}
