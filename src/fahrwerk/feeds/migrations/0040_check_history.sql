-- What the self-checks of the last week found, so that staff see since when something is wrong.

CREATE TABLE feeds.check_past (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    feed        text NOT NULL CHECK (length(feed) BETWEEN 1 AND 80),
    checked_at  timestamptz NOT NULL,
    vehicles    int NOT NULL,
    shown       int NOT NULL,
    differences int NOT NULL,
    PRIMARY KEY (tenant_id, feed, checked_at)
);
COMMENT ON TABLE feeds.check_past IS 'One row for each self-check of the last week; what an older one found is thrown away.';
COMMENT ON COLUMN feeds.check_past.feed IS 'gbfs, or mds: and the short name of the agency.';
COMMENT ON COLUMN feeds.check_past.vehicles IS 'Vehicles that were to be shown.';

ALTER TABLE feeds.check_past ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.check_past FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.check_past USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
