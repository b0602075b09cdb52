// Every screen of the console. A group adds one line here and is otherwise at home in its own folder.
import { overviewScreens } from "./overview/screens";
import { fleetScreens } from "./fleet/screens";
import { officeScreens } from "./office/screens";
import type { Screen } from "./shell/screen";

export const SCREENS: readonly Screen[] = [...overviewScreens, ...fleetScreens, ...officeScreens];
