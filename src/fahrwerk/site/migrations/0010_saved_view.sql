-- What people of the team look at again and again: an address of the console under a name.

CREATE TABLE site.saved_view (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    owner_id   uuid NOT NULL,
    screen     text NOT NULL CHECK (screen ~ '^[a-z][a-z-]{0,39}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    query      text NOT NULL CHECK (length(query) <= 2000),
    is_shared  boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX saved_view_name ON site.saved_view (tenant_id, owner_id, screen, name);
CREATE INDEX saved_view_shared ON site.saved_view (tenant_id, screen) WHERE is_shared;
COMMENT ON TABLE site.saved_view IS 'A person''s saved views of the console''s lists; it goes with the person.';
COMMENT ON COLUMN site.saved_view.screen IS 'Which list: fleet, rentals, ... The console names them; nobody else reads it.';
COMMENT ON COLUMN site.saved_view.query IS 'What stands behind the ? of the address.';
COMMENT ON COLUMN site.saved_view.is_shared IS 'All of the operator''s staff see it; only its owner changes it.';

ALTER TABLE site.saved_view ENABLE ROW LEVEL SECURITY;
ALTER TABLE site.saved_view FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON site.saved_view USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
