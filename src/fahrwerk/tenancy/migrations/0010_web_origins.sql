-- Which web pages of other origins may call the API as an operator's (CORS).
ALTER TABLE tenancy.operator
    ADD COLUMN web_origins text[] NOT NULL DEFAULT '{}' CHECK (cardinality(web_origins) <= 20);
CREATE INDEX operator_web_origins ON tenancy.operator USING gin (web_origins);
COMMENT ON COLUMN tenancy.operator.web_origins IS 'Origins (https://shop.example.org) whose pages a browser lets read our answers. Public: browsers are told.';
