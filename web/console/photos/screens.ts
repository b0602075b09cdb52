import type { Screen } from "../shell/screen";

export const photosScreens: Screen[] = [
  { path: "/photos", load: () => import("./Photos"), permission: "rentals.photo.review", nav: { section: "riders", label: "photos.nav", icon: "camera", go: "p" } },
];
