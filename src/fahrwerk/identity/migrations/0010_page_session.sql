-- Sessions of browsers, beside those of apps (C-54): the same table, so that log-out everywhere,
-- a block and the list of one's sessions are about both.

ALTER TABLE identity.session
    ADD COLUMN kind varchar(10) NOT NULL DEFAULT 'tokens' CHECK (kind IN ('tokens', 'page')),
    ADD COLUMN idle_s integer CHECK (idle_s > 0),
    ADD COLUMN ends_at timestamptz,
    ADD CONSTRAINT page_session_ends
        CHECK ((kind = 'page') = (idle_s IS NOT NULL) AND (kind = 'page') = (ends_at IS NOT NULL));
COMMENT ON COLUMN identity.session.kind IS 'tokens: an app with refresh tokens; page: a browser with a cookie.';
COMMENT ON COLUMN identity.session.idle_s IS 'Of a page session: it runs out when it was not used for so long.';
COMMENT ON COLUMN identity.session.ends_at IS 'Of a page session: it runs out then, however much it is used.';
COMMENT ON COLUMN identity.session.token_hash IS 'SHA-256 of the refresh token that is good now, or of what the cookie says; the token itself is nowhere.';
