// The screens of the office: rides, people, prices, money, the company and its connections.
import { auditScreens } from "../audit/screens";
import { booksScreens } from "../books/screens";
import { companyScreens } from "../company/screens";
import { customersScreens } from "../customers/screens";
import { healthScreens } from "../health/screens";
import { integrationsScreens } from "../integrations/screens";
import { peopleScreens } from "../people/screens";
import { photosScreens } from "../photos/screens";
import { pricingScreens } from "../pricing/screens";
import { rentalsScreens } from "../rentals/screens";
import { tenantsScreens } from "../tenants/screens";
import type { Screen } from "../shell/screen";

export const officeScreens: Screen[] = [
  ...rentalsScreens,
  ...photosScreens,
  ...customersScreens,
  ...pricingScreens,
  ...booksScreens,
  ...peopleScreens,
  ...auditScreens,
  ...companyScreens,
  ...integrationsScreens,
  ...tenantsScreens,
  ...healthScreens,
];
