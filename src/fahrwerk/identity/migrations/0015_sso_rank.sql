-- The order in which ways to log in are offered.

ALTER TABLE identity.sso_provider ADD COLUMN rank smallint NOT NULL DEFAULT 50 CHECK (rank BETWEEN 1 AND 100);
COMMENT ON COLUMN identity.sso_provider.rank IS 'People are offered providers by rank, the lowest first; equals by name.';
