// The screens of the office: rides, people, prices, money, the company and its connections.
import { rentalsScreens } from "../rentals/screens";
import type { Screen } from "../shell/screen";

export const officeScreens: Screen[] = [...rentalsScreens];
