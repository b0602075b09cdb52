-- Vehicles that keep zones on board say which ones they have.

ALTER TABLE fleet.zone_bundle
    ADD COLUMN taken_stamp bigint,
    ADD COLUMN taken_at    timestamptz;
COMMENT ON COLUMN fleet.zone_bundle.taken_stamp IS 'The stamp of the zones that it last said to have taken; null = has never said so.';
