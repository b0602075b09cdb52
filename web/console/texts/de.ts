// One line per group of screens; their words stand in the group's own texts.ts.
import { de as fleet } from "../fleet/texts";
import { de as office } from "../office/texts";
import { de as overview } from "../overview/texts";
import { de as alerts } from "../alerts/texts";
import { de as charging } from "../charging/texts";
import { de as groups } from "../groups/texts";
import { de as imports } from "../imports/texts";
import { de as maintenance } from "../maintenance/texts";
import { de as views } from "../parts/texts";
import { de as zones } from "../zones/texts";
import { de as shell } from "../shell/texts";

export default { shell, overview, fleet, alerts, charging, groups, imports, maintenance, views, zones, ...office };
