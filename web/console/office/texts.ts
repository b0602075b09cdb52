// One line per group of screens of the office; `error` are complaints that only staff hears (the rest: lib/texts/shared.ts).
import { de as deAudit, en as enAudit } from "../audit/texts";
import { de as deBank, en as enBank } from "../books/bankTexts";
import { de as deCases, en as enCases } from "../books/casesTexts";
import { de as deReseller, en as enReseller } from "../books/resellerTexts";
import { de as deBooks, en as enBooks } from "../books/texts";
import { de as deCompany, en as enCompany } from "../company/texts";
import { de as deCustomers, en as enCustomers } from "../customers/texts";
import { de as deHealth, en as enHealth } from "../health/texts";
import { de as deIntegrations, en as enIntegrations } from "../integrations/texts";
import { de as dePeople, en as enPeople } from "../people/texts";
import { de as dePhotos, en as enPhotos } from "../photos/texts";
import { de as dePricing, en as enPricing } from "../pricing/texts";
import { de as deRentals, en as enRentals } from "../rentals/texts";
import { de as deTenants, en as enTenants } from "../tenants/texts";

const deError = {
  NO_PLATFORM_KEYS: "Die Plattform hat bei Stripe noch keine eigenen Schlüssel (FAHRWERK_STRIPE_PLATFORM_SECRET).", ACCOUNT_CONNECTED_ELSEWHERE: "Dieses Konto gehört schon zu einem anderen Betreiber.",
  GATEWAY_ACCOUNT_IN_USE: "Mit dem bisherigen Konto laufen noch Zahlungen. Erst abschalten, dann warten, bis sie zu Ende sind.", GATEWAY_CONNECTED: "Dieses Konto verwaltet die Plattform; eigene Schlüssel gehen erst, wenn sie es trennt.",
};
const enError: typeof deError = {
  NO_PLATFORM_KEYS: "The platform has no keys of its own at Stripe yet (FAHRWERK_STRIPE_PLATFORM_SECRET).", ACCOUNT_CONNECTED_ELSEWHERE: "This account belongs to another operator already.",
  GATEWAY_ACCOUNT_IN_USE: "Payments of the account before are still under way. Switch it off first, then wait until they are over.", GATEWAY_CONNECTED: "The platform looks after this account; keys of your own are possible once it has disconnected it.",
};

export const de = { error: deError, rentals: deRentals, photos: dePhotos, customers: deCustomers, pricing: dePricing, books: deBooks, bank: deBank, cases: deCases, reseller: deReseller, people: dePeople, audit: deAudit, company: deCompany, integrations: deIntegrations, tenants: deTenants, health: deHealth };
export const en: typeof de = { error: enError, rentals: enRentals, photos: enPhotos, customers: enCustomers, pricing: enPricing, books: enBooks, bank: enBank, cases: enCases, reseller: enReseller, people: enPeople, audit: enAudit, company: enCompany, integrations: enIntegrations, tenants: enTenants, health: enHealth };
