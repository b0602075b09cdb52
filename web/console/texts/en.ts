import { en as fleet } from "../fleet/texts";
import { en as office } from "../office/texts";
import { en as overview } from "../overview/texts";
import { en as shell } from "../shell/texts";
import type de from "./de";

const en: typeof de = { shell, overview, fleet, ...office };
export default en;
