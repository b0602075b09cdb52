-- Whoever is erased is found by his mark in one step.

CREATE INDEX trip_mark ON feeds.trip (tenant_id, rider_mark);
