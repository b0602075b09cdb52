-- SCIM 2.0: who an operator's directory says its people and groups are (IDN-29, IDN-30).

CREATE TABLE identity.scim_source (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    id             uuid NOT NULL,
    name           varchar(100) NOT NULL,
    provider_id    uuid,
    token_hash     varchar(64) NOT NULL,
    former_hash    varchar(64),
    former_until   timestamptz,
    role_rules     jsonb NOT NULL,
    default_roles  text[] NOT NULL,
    created_at     timestamptz NOT NULL,
    rotated_at     timestamptz NOT NULL,
    last_used_at   timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.sso_provider (tenant_id, id) ON DELETE SET NULL (provider_id)
);
CREATE UNIQUE INDEX scim_source_token ON identity.scim_source (tenant_id, token_hash);
CREATE INDEX scim_source_former ON identity.scim_source (tenant_id, former_hash);
CREATE INDEX scim_source_provider ON identity.scim_source (tenant_id, provider_id);
COMMENT ON TABLE identity.scim_source IS 'Directories that keep people here by SCIM, each with its token.';
COMMENT ON COLUMN identity.scim_source.token_hash IS 'SHA-256 of the bearer token; the token itself is nowhere.';
COMMENT ON COLUMN identity.scim_source.former_hash IS 'The token before the last rotation, good until former_until.';
COMMENT ON COLUMN identity.scim_source.provider_id IS 'The identity provider of the same company: people made here log in there.';

CREATE TABLE identity.scim_user (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    source_id   uuid NOT NULL,
    person_id   uuid NOT NULL,
    user_name   varchar(255) NOT NULL,
    external_id varchar(255),
    data        jsonb NOT NULL,
    is_active   boolean NOT NULL,
    has_barred  boolean NOT NULL DEFAULT false,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES identity.scim_source (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX scim_user_name ON identity.scim_user (tenant_id, source_id, lower(user_name)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX scim_user_person ON identity.scim_user (tenant_id, person_id) WHERE deleted_at IS NULL;
CREATE INDEX scim_user_left ON identity.scim_user (tenant_id, person_id, source_id) WHERE deleted_at IS NOT NULL;
CREATE INDEX scim_user_external ON identity.scim_user (tenant_id, source_id, external_id) WHERE deleted_at IS NULL;
CREATE INDEX scim_user_newest ON identity.scim_user (tenant_id, source_id, created_at, id) WHERE deleted_at IS NULL;
COMMENT ON TABLE identity.scim_user IS 'Users as their directory describes them; the account is the person.';
COMMENT ON COLUMN identity.scim_user.data IS 'All attributes the directory gave, in the names of the schema.';
COMMENT ON COLUMN identity.scim_user.has_barred IS 'The account is blocked because the directory says so: only such a bar it lifts again.';
COMMENT ON COLUMN identity.scim_user.deleted_at IS 'Deleted at the directory: gone for SCIM; the account is barred, its rides and bills stay.';

CREATE TABLE identity.scim_group (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    source_id    uuid NOT NULL,
    display_name varchar(255) NOT NULL,
    external_id  varchar(255),
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES identity.scim_source (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX scim_group_source ON identity.scim_group (tenant_id, source_id, created_at, id);
COMMENT ON TABLE identity.scim_group IS 'Groups of a directory; which roles they give stands in scim_source.role_rules.';

CREATE TABLE identity.scim_member (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    group_id  uuid NOT NULL,
    user_id   uuid NOT NULL,
    PRIMARY KEY (tenant_id, group_id, user_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES identity.scim_group (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES identity.scim_user (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX scim_member_user ON identity.scim_member (tenant_id, user_id);
COMMENT ON TABLE identity.scim_member IS 'Who is in which group.';

ALTER TABLE identity.scim_source ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.scim_source FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.scim_source USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.scim_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.scim_user FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.scim_user USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.scim_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.scim_group FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.scim_group USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.scim_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.scim_member FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.scim_member USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
