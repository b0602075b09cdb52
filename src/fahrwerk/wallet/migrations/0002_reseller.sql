-- Resellers: partners between the operator and some of its riders, who earn a commission on the
-- money these riders load (WAL-30, TEN-28). What is owed to them stands in the ledger
-- (commission_payable, owner: the reseller); here is for what.

CREATE TABLE wallet.reseller (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    code        text NOT NULL CHECK (code ~ '^[A-Z0-9-]{3,20}$'),
    person_id   uuid,
    rate_bp     int NOT NULL CHECK (rate_bp BETWEEN 0 AND 5000),
    least_minor bigint NOT NULL CHECK (least_minor >= 0),
    account     text NOT NULL DEFAULT '' CHECK (length(account) <= 100),
    is_active   boolean NOT NULL DEFAULT true,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, code)
);
CREATE UNIQUE INDEX reseller_person ON wallet.reseller (tenant_id, person_id) WHERE person_id IS NOT NULL;
COMMENT ON TABLE wallet.reseller IS 'Partners who earn commission on top-ups of their riders (WAL-30).';
COMMENT ON COLUMN wallet.reseller.code IS 'What a rider types in to become a customer of this reseller.';
COMMENT ON COLUMN wallet.reseller.person_id IS 'Who may look at this reseller''s statement; null: nobody but staff.';
COMMENT ON COLUMN wallet.reseller.rate_bp IS 'Of the amount loaded, in basis points; holds for top-ups from now on.';
COMMENT ON COLUMN wallet.reseller.least_minor IS 'Less than this is not paid out but waits for the next run.';
COMMENT ON COLUMN wallet.reseller.account IS 'Where the money goes: an IBAN, or the account''s id at the payment gateway.';

CREATE TABLE wallet.reseller_customer (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    rider_id    uuid NOT NULL,
    reseller_id uuid NOT NULL,
    since       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rider_id),
    FOREIGN KEY (tenant_id, reseller_id) REFERENCES wallet.reseller (tenant_id, id)
);
CREATE INDEX reseller_customer_of ON wallet.reseller_customer (tenant_id, reseller_id, since);
COMMENT ON TABLE wallet.reseller_customer IS 'Whose customer a rider is now; of one reseller at most.';

CREATE TABLE wallet.payout (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    reseller_id  uuid NOT NULL,
    until        timestamptz NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL,
    state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'paid', 'cancelled')),
    made_by      text NOT NULL,
    made_at      timestamptz NOT NULL,
    paid_by      text,
    paid_at      timestamptz,
    bank_reference text NOT NULL DEFAULT '' CHECK (length(bank_reference) <= 140),
    journal_id   uuid,
    version      bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, reseller_id) REFERENCES wallet.reseller (tenant_id, id),
    CONSTRAINT paid_by_somebody CHECK ((state = 'paid') = (paid_at IS NOT NULL AND paid_by IS NOT NULL))
);
CREATE UNIQUE INDEX one_draft ON wallet.payout (tenant_id, reseller_id) WHERE state = 'draft';
CREATE INDEX payout_newest ON wallet.payout (tenant_id, made_at, id);
COMMENT ON TABLE wallet.payout IS 'What is paid to a reseller at once: the commission lines it gathers. Made by one person, paid by another.';
COMMENT ON COLUMN wallet.payout.journal_id IS 'Null while the posting is still to be done; the worker does it.';

CREATE TABLE wallet.commission (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    reseller_id  uuid NOT NULL,
    topup_id     uuid NOT NULL,
    rate_bp      int NOT NULL CHECK (rate_bp BETWEEN 0 AND 5000),
    base_minor   bigint NOT NULL CHECK (base_minor >= 0),
    amount_minor bigint NOT NULL,
    currency     text NOT NULL,
    at           timestamptz NOT NULL,
    journal_id   uuid,
    payout_id    uuid,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, reseller_id) REFERENCES wallet.reseller (tenant_id, id),
    FOREIGN KEY (tenant_id, topup_id) REFERENCES wallet.topup (tenant_id, id),
    FOREIGN KEY (tenant_id, payout_id) REFERENCES wallet.payout (tenant_id, id)
);
CREATE INDEX commission_of ON wallet.commission (tenant_id, reseller_id, at, id);
CREATE INDEX commission_of_topup ON wallet.commission (tenant_id, topup_id);
COMMENT ON TABLE wallet.commission IS 'Lines of resellers'' statements: one when a top-up is credited, one more for each time that some of it is refunded.';
COMMENT ON COLUMN wallet.commission.id IS 'Derived from the top-up and how much of it was refunded by then: written once.';
COMMENT ON COLUMN wallet.commission.base_minor IS 'What was loaded and not refunded by then.';
COMMENT ON COLUMN wallet.commission.amount_minor IS 'Earned positive, clawed back negative: the sum of a top-up''s lines is its commission now.';
COMMENT ON COLUMN wallet.commission.journal_id IS 'Null while the posting is still to be done; the worker does it.';

ALTER TABLE wallet.work DROP CONSTRAINT work_kind_check;
ALTER TABLE wallet.work ADD CONSTRAINT work_kind_check
    CHECK (kind IN ('transaction', 'topup', 'auto', 'takeback', 'ride', 'commission', 'payout'));

ALTER TABLE wallet.reseller ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.reseller FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.reseller USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE wallet.reseller_customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.reseller_customer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.reseller_customer USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE wallet.commission ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.commission FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.commission USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE wallet.payout ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.payout FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.payout USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
