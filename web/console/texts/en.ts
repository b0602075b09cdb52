import { en as fleet } from "../fleet/texts";
import { en as office } from "../office/texts";
import { en as overview } from "../overview/texts";
import { en as alerts } from "../alerts/texts";
import { en as charging } from "../charging/texts";
import { en as groups } from "../groups/texts";
import { en as imports } from "../imports/texts";
import { en as maintenance } from "../maintenance/texts";
import { en as views } from "../parts/texts";
import { en as zones } from "../zones/texts";
import { en as shell } from "../shell/texts";
import type de from "./de";

const en: typeof de = { shell, overview, fleet, alerts, charging, groups, imports, maintenance, views, zones, ...office };
export default en;
