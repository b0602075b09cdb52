-- Roles an operator makes itself, grants for a part of the operator, and the second pair of eyes.

CREATE TABLE identity.role (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    name        varchar(50) NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{1,48}$'),
    title       varchar(100) NOT NULL CHECK (length(title) BETWEEN 1 AND 100),
    permissions text[] NOT NULL CHECK (cardinality(permissions) BETWEEN 1 AND 500),
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE identity.role IS 'Roles an operator made for itself (IDN-26). The built-in ones stand in identity/rules and cannot be changed.';
COMMENT ON COLUMN identity.role.permissions IS 'room.noun.verb of the catalogue; no wildcards, so that a new permission is in nobody''s role unasked.';
COMMENT ON COLUMN identity.role.version IS 'Of the stream role:<name> in the event log.';

CREATE TABLE identity.scoped_grant (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    person_id  uuid NOT NULL,
    role       varchar(50) NOT NULL,
    scope      varchar(120) NOT NULL CHECK (scope ~ '^(area|group|department):.+$'),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id, role, scope),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.scoped_grant IS 'A role for a part of the operator only. Not in person_role, and not in tokens: whoever does not know of scopes must see no right at all.';
COMMENT ON COLUMN identity.scoped_grant.scope IS 'area:<tenancy.area.id>, group:<fleet.vehicle_group.id> or department:<name>.';

ALTER TABLE identity.person ADD COLUMN rights_changed_at timestamptz;
ALTER TABLE identity.person ADD COLUMN department varchar(100) CHECK (length(department) >= 1);
CREATE INDEX person_rights_changed ON identity.person (tenant_id, rights_changed_at) WHERE rights_changed_at IS NOT NULL;
CREATE INDEX person_department ON identity.person (tenant_id, department) WHERE department IS NOT NULL;
ALTER TABLE identity.person ADD COLUMN birth_date date CHECK (birth_date > '1900-01-01');
COMMENT ON COLUMN identity.person.birth_date IS 'As the rider says it, once; asked for only where a market has a minimum age.';
COMMENT ON COLUMN identity.person.rights_changed_at IS 'Database clock. For an hour after it tokens that are about say what was; then these rows are asked instead.';
COMMENT ON COLUMN identity.person.department IS 'Where in the operator''s company; a scope of grants.';

CREATE TABLE identity.approval (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    kind        varchar(50) NOT NULL,
    subject     uuid NOT NULL,
    permission  varchar(100) NOT NULL,
    details     jsonb NOT NULL,
    reason      varchar(200) NOT NULL,
    asked_by    uuid NOT NULL,
    asked_at    timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    state       varchar(20) NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'approved', 'declined', 'done', 'failed')),
    decided_by  uuid,
    decided_at  timestamptz,
    note        varchar(200),
    problem     varchar(100),
    version     bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    -- The last wall of the four eyes: whatever the code does, nobody decides what he asked for.
    CONSTRAINT two_people CHECK (decided_by IS NULL OR decided_by <> asked_by),
    CHECK ((state <> 'pending') = (decided_by IS NOT NULL))
);
CREATE INDEX approval_newest ON identity.approval (tenant_id, asked_at, id);
CREATE INDEX approval_open ON identity.approval (kind, state) WHERE state IN ('pending', 'approved');
COMMENT ON TABLE identity.approval IS 'What needs a second person: who asked for what, who decided, whether it was carried out.';
COMMENT ON COLUMN identity.approval.kind IS 'Who carries it out and how: payments.refund.';
COMMENT ON COLUMN identity.approval.permission IS 'What whoever decides must hold.';
COMMENT ON COLUMN identity.approval.details IS 'What was asked for, as its room understands it; ids and amounts, nothing personal.';
COMMENT ON COLUMN identity.approval.state IS 'approved: decided, not carried out yet; done: carried out; failed: it could not be (problem). Pending past expires_at is shown as expired.';

ALTER TABLE identity.role ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.role FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.role USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.scoped_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.scoped_grant FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.scoped_grant USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.approval FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.approval USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A job looks for what was approved and not carried out, whoever's it is; then it works for that operator.
CREATE POLICY worker ON identity.approval FOR SELECT TO fahrwerk_identity USING (kernel.tenant() IS NULL);
