-- How an operator's pages look, its legal texts in all versions, and what people allowed.

CREATE TABLE site.brand (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant() PRIMARY KEY,
    colour        char(7) NOT NULL CHECK (colour ~ '^#[0-9a-f]{6}$'),
    support_email varchar(255),
    support_phone varchar(40),
    updated_at    timestamptz NOT NULL
);
COMMENT ON TABLE site.brand IS 'How an operator''s pages look; no row: the default.';

CREATE TABLE site.legal_text (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    kind         varchar(10) NOT NULL CHECK (kind IN ('privacy', 'terms', 'imprint')),
    locale       char(2) NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    body         text NOT NULL CHECK (length(body) BETWEEN 1 AND 100000),
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, locale, version)
);
COMMENT ON TABLE site.legal_text IS 'Privacy policy, terms, imprint (WEB-20): versions are added, never changed.';

CREATE TABLE site.consent (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    number     integer NOT NULL,
    person_id  uuid,
    choices    varchar(20)[] NOT NULL,
    policy     integer NOT NULL,
    chosen_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id, number)
);
COMMENT ON TABLE site.consent IS 'What a browser''s owner allowed (WEB-22), choice by choice, as evidence.';
COMMENT ON COLUMN site.consent.id IS 'Random, of the browser; its cookie names it. Says nothing about the person.';
COMMENT ON COLUMN site.consent.policy IS 'Version of the privacy policy that was shown; 0: the default text.';

ALTER TABLE site.brand ENABLE ROW LEVEL SECURITY;
ALTER TABLE site.brand FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON site.brand USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE site.legal_text ENABLE ROW LEVEL SECURITY;
ALTER TABLE site.legal_text FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON site.legal_text USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE site.consent ENABLE ROW LEVEL SECURITY;
ALTER TABLE site.consent FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON site.consent USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
