-- Name, colours and logo are tenancy's brand: here is only what that does not have.
ALTER TABLE site.brand DROP COLUMN colour;
ALTER TABLE site.brand RENAME TO contact;
COMMENT ON TABLE site.contact IS 'Where an operator''s riders find help; no row: nowhere said.';
