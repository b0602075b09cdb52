// Every screen of the console. A group adds one line here and is otherwise at home in its own folder.
import { overviewScreens } from "./overview/screens";
import { fleetScreens } from "./fleet/screens";
import { alertScreens } from "./alerts/screens";
import { chargingScreens } from "./charging/screens";
import { groupScreens } from "./groups/screens";
import { importScreens } from "./imports/screens";
import { maintenanceScreens } from "./maintenance/screens";
import { zoneScreens } from "./zones/screens";
import { officeScreens } from "./office/screens";
import type { Screen } from "./shell/screen";

export const SCREENS: readonly Screen[] = [
  ...overviewScreens, ...fleetScreens, ...alertScreens, ...maintenanceScreens, ...chargingScreens, ...zoneScreens, ...groupScreens, ...importScreens,
  ...officeScreens,
];
