-- Whoever is erased is found in one step, however many others there are.

CREATE INDEX command_user ON fleet.command (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ride_rider ON fleet.ride (tenant_id, rider_id);
CREATE INDEX fault_report_rider ON fleet.fault_report (tenant_id, rider_id);
