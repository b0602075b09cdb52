-- Agencies that are reported to no more, and for how long it is kept what agencies were told.

ALTER TABLE feeds.setting ADD COLUMN mds_days int NOT NULL DEFAULT 730 CHECK (mds_days BETWEEN 30 AND 3650);
COMMENT ON COLUMN feeds.setting.mds_days IS 'So long events, trips and happenings told to agencies are kept, and answered. Readings of telemetry are gone earlier where FAHRWERK_TELEMETRY_DAYS says so.';

ALTER TABLE feeds.agency
    ADD COLUMN is_enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT agency_deleted CHECK (deleted_at IS NULL OR NOT is_enabled);
DROP INDEX feeds.agency_slug;
CREATE UNIQUE INDEX agency_slug ON feeds.agency (tenant_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX agency_to_forget ON feeds.agency (deleted_at) WHERE deleted_at IS NOT NULL;
COMMENT ON COLUMN feeds.agency.is_enabled IS 'False: it is told nothing, its tokens open nothing, its policies are not enforced.';
COMMENT ON COLUMN feeds.agency.deleted_at IS 'It is nowhere to be seen any more; a job removes what it was told, part by part, and then this row.';

ALTER TABLE feeds.happening DROP CONSTRAINT happening_kind_check;
ALTER TABLE feeds.happening ADD CONSTRAINT happening_kind_check
    CHECK (kind IN ('created', 'reserved', 'released', 'started', 'paused', 'resumed', 'returned', 'cancelled',
                    'silent', 'heard', 'changed', 'drained', 'charged', 'moved', 'retired'));
CREATE INDEX happening_time ON feeds.happening (tenant_id, at);
CREATE INDEX told_trip_of ON feeds.told_trip (tenant_id, trip_id);
