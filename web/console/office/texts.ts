// One line per group of screens of the office.
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

export const de = { rentals: deRentals, photos: dePhotos, customers: deCustomers, pricing: dePricing, books: deBooks, bank: deBank, cases: deCases, reseller: deReseller, people: dePeople, audit: deAudit, company: deCompany, integrations: deIntegrations, tenants: deTenants, health: deHealth };
export const en: typeof de = { rentals: enRentals, photos: enPhotos, customers: enCustomers, pricing: enPricing, books: enBooks, bank: enBank, cases: enCases, reseller: enReseller, people: enPeople, audit: enAudit, company: enCompany, integrations: enIntegrations, tenants: enTenants, health: enHealth };
