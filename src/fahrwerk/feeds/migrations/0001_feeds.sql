-- What an operator publishes, and what the last self-check of it found.

CREATE TABLE feeds.setting (
    tenant_id     uuid PRIMARY KEY DEFAULT kernel.tenant(),
    is_public     boolean NOT NULL DEFAULT true,
    contact_email text CHECK (length(contact_email) BETWEEN 3 AND 255),
    license_url   text CHECK (license_url ~ '^https://' AND length(license_url) <= 500),
    version       bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    updated_at    timestamptz NOT NULL DEFAULT kernel.now()
);
COMMENT ON TABLE feeds.setting IS 'What an operator publishes; without a row the defaults hold.';
COMMENT ON COLUMN feeds.setting.is_public IS 'False: all feeds of this operator answer 404.';
COMMENT ON COLUMN feeds.setting.contact_email IS 'Where readers of the feeds report faults (feed_contact_email); null = the sender of the platform''s letters.';
COMMENT ON COLUMN feeds.setting.license_url IS 'Terms of the data; null = CC0, as GBFS says.';
COMMENT ON COLUMN feeds.setting.version IS 'Of the event stream feeds:<tenant>; 0 = never changed.';

CREATE TABLE feeds.check (
    tenant_id          uuid PRIMARY KEY DEFAULT kernel.tenant(),
    checked_at         timestamptz NOT NULL,
    available          int NOT NULL,
    disabled           int NOT NULL,
    shown_as_available int NOT NULL,
    shown_as_disabled  int NOT NULL,
    missing            int NOT NULL,
    doubled            int NOT NULL,
    in_use             int NOT NULL,
    strange            int NOT NULL,
    wrong              int NOT NULL,
    unplaced           int NOT NULL,
    moving             int NOT NULL
);
COMMENT ON TABLE feeds.check IS 'What the last comparison of an operator''s feeds with its vehicles found; one row each.';
COMMENT ON COLUMN feeds.check.in_use IS 'Reserved or ridden vehicles that the feed showed: must be 0.';
COMMENT ON COLUMN feeds.check.strange IS 'Ids in the feed that no vehicle has.';
COMMENT ON COLUMN feeds.check.wrong IS 'Shown as available though disabled, or the reverse.';
COMMENT ON COLUMN feeds.check.moving IS 'Vehicles that changed while they were looked at, and were not judged.';

ALTER TABLE feeds.setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.setting FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.setting USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.check ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.check FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.check USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
