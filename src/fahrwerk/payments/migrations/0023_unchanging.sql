-- Code and currency of an account never change, but a table's checks are looked at whenever a row does: two regular
-- expressions for each account a journal touches. A domain's are looked at when the column is written.

CREATE DOMAIN payments.account_code AS text CHECK (VALUE ~ '^[a-z_]+(\.[0-9]+)?$');
COMMENT ON DOMAIN payments.account_code IS 'A name of the chart of accounts, perhaps with a tax rate in basis points: revenue.1900.';
CREATE DOMAIN payments.currency AS text CHECK (VALUE ~ '^[A-Z]{3}$');
COMMENT ON DOMAIN payments.currency IS 'ISO 4217: EUR.';

ALTER TABLE payments.account
    DROP CONSTRAINT account_code_check, ALTER COLUMN code TYPE payments.account_code,
    DROP CONSTRAINT account_currency_check, ALTER COLUMN currency TYPE payments.currency;
