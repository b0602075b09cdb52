// One line per group of screens of the office.
import { de as deRentals, en as enRentals } from "../rentals/texts";

export const de = { rentals: deRentals };
export const en: typeof de = { rentals: enRentals };
