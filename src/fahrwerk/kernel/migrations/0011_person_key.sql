-- A key per person: what must stay when somebody is erased, and would tell something of him, is
-- sealed with it. Without the key it tells nothing to anybody, in whatever copy of the log it is.

CREATE TABLE kernel.person_key (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    person_id uuid NOT NULL,
    sealed    bytea,
    made_at   timestamptz NOT NULL DEFAULT kernel.now(),
    erased_at timestamptz,
    PRIMARY KEY (tenant_id, person_id),
    CHECK ((sealed IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON TABLE kernel.person_key IS 'Keys of people (GDP-02, crypto-shredding). A row without a key is somebody who was erased: he never gets another one.';
COMMENT ON COLUMN kernel.person_key.sealed IS 'The key, sealed with the installation''s secret.';

ALTER TABLE kernel.person_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.person_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.person_key USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
GRANT SELECT, INSERT ON kernel.person_key TO fahrwerk_kernel;

-- For handlers, which are inside a transaction of their room: one key of the own tenant, sealed.
CREATE FUNCTION kernel.sealed_key_of(person uuid) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.sealed FROM kernel.person_key k WHERE k.tenant_id = kernel.tenant() AND k.person_id = person;
END;

-- For identity alone, which is granted it in its own migration.
CREATE FUNCTION kernel.forget_key_of(person uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO kernel.person_key (tenant_id, person_id, sealed, erased_at)
    VALUES (kernel.tenant(), person, NULL, kernel.now())
    ON CONFLICT (tenant_id, person_id) DO UPDATE
    SET sealed = NULL, erased_at = coalesce(person_key.erased_at, excluded.erased_at);
END;
REVOKE EXECUTE ON FUNCTION kernel.forget_key_of FROM PUBLIC;
