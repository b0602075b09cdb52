-- Whoever is erased is found in one step.

CREATE INDEX redemption_of_rider ON pricing.redemption (tenant_id, rider_id);
