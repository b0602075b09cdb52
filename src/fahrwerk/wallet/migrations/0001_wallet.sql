-- Prepaid balances as riders see them. The money itself stands in the ledger (payments); what is here is
-- what was asked for, how far it has come, and the list of what happened.

CREATE TABLE wallet.account (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    rider_id         uuid NOT NULL,
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance_minor    bigint NOT NULL DEFAULT 0,
    version          bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    low_minor        bigint NOT NULL CHECK (low_minor >= 0),
    frozen_reason    text CHECK (length(frozen_reason) BETWEEN 1 AND 500),
    frozen_at        timestamptz,
    has_auto         boolean NOT NULL DEFAULT false,
    auto_below_minor bigint NOT NULL CHECK (auto_below_minor > 0),
    auto_minor       bigint NOT NULL CHECK (auto_minor > 0),
    auto_method_id   uuid,
    auto_day_minor   bigint NOT NULL CHECK (auto_day_minor > 0),
    auto_month_minor bigint NOT NULL CHECK (auto_month_minor > 0),
    auto_claimed_at  timestamptz,
    auto_strikes     int NOT NULL DEFAULT 0 CHECK (auto_strikes >= 0),
    auto_paused      text,
    changes          bigint NOT NULL DEFAULT 0 CHECK (changes >= 0),
    opened_at        timestamptz NOT NULL,
    moved_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rider_id),
    CONSTRAINT frozen_with_reason CHECK ((frozen_reason IS NULL) = (frozen_at IS NULL))
);
COMMENT ON TABLE wallet.account IS 'One prepaid account per rider (WAL-01), with the settings of its auto top-up (WAL-33).';
COMMENT ON COLUMN wallet.account.balance_minor IS 'Sum of the booked transactions; at rest it is the purse in the ledger. Whether money is there is decided by the ledger alone.';
COMMENT ON COLUMN wallet.account.version IS 'Transactions booked so far, and of the stream wallet:<rider_id>.';
COMMENT ON COLUMN wallet.account.low_minor IS 'Below this the balance is called low (WAL-29).';
COMMENT ON COLUMN wallet.account.auto_claimed_at IS 'When an auto top-up was last begun (database clock): claimed before charging and kept when it fails (WAL-18).';
COMMENT ON COLUMN wallet.account.auto_strikes IS 'Refusals in a row; outages do not count (WAL-19).';
COMMENT ON COLUMN wallet.account.changes IS 'Of the stream wallet_account:<rider_id>: what was changed about the account itself.';
COMMENT ON COLUMN wallet.account.auto_paused IS 'Why auto top-up rests until the rider switches it on again.';

CREATE TABLE wallet.transaction (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    rider_id      uuid NOT NULL,
    key           text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    type          text NOT NULL CHECK (type IN ('usage', 'topup', 'bonus', 'refund', 'adjustment', 'expiry')),
    amount_minor  bigint NOT NULL CHECK (amount_minor <> 0),
    currency      text NOT NULL,
    description   text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    reference     uuid,
    rate_bp       int CHECK (rate_bp BETWEEN 0 AND 9999),
    actor         text NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'booked', 'refused')),
    number        bigint,
    balance_minor bigint,
    journal_id    uuid,
    at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, rider_id, number),
    FOREIGN KEY (tenant_id, rider_id) REFERENCES wallet.account (tenant_id, rider_id),
    CONSTRAINT usage_is_negative CHECK (type NOT IN ('usage', 'expiry') OR amount_minor < 0),
    CONSTRAINT topup_is_positive CHECK (type NOT IN ('topup', 'bonus') OR amount_minor > 0),
    CONSTRAINT numbered_when_booked CHECK ((state = 'booked') = (number IS NOT NULL AND balance_minor IS NOT NULL))
);
CREATE INDEX transaction_at ON wallet.transaction (tenant_id, rider_id, at) WHERE state = 'booked';
COMMENT ON TABLE wallet.transaction IS 'What happened on an account (WAL-02). Written as pending before the ledger is asked, booked after it: what a crash leaves in between, the worker finishes with the same key.';
COMMENT ON COLUMN wallet.transaction.id IS 'Derived from rider and key: whoever repeats a request finds its first try.';
COMMENT ON COLUMN wallet.transaction.amount_minor IS 'Into the account positive, out of it negative (usage, expiry).';
COMMENT ON COLUMN wallet.transaction.rate_bp IS 'Of a usage that is a sale of its own: its tax rate, in basis points. Null: the sale stands in the books already (a ride).';
COMMENT ON COLUMN wallet.transaction.number IS 'Gapless per account, in the order they were booked.';
COMMENT ON COLUMN wallet.transaction.journal_id IS 'Where it stands in the ledger.';

CREATE TABLE wallet.topup (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    rider_id      uuid NOT NULL,
    payment_id    uuid NOT NULL,
    is_auto       boolean NOT NULL,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paying', 'credited', 'failed', 'expired')),
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    bonus_minor   bigint NOT NULL CHECK (bonus_minor >= 0),
    bonus_days    int CHECK (bonus_days > 0),
    currency      text NOT NULL,
    method_id     uuid,
    next_action   jsonb,
    reason        text,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    begun_at      timestamptz NOT NULL DEFAULT kernel.now(),
    expires_at    timestamptz NOT NULL,
    credited_at   timestamptz,
    taken_minor   bigint NOT NULL DEFAULT 0 CHECK (taken_minor BETWEEN 0 AND amount_minor),
    taking_minor  bigint CHECK (taking_minor >= 0),
    taking_to     bigint,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, payment_id),
    FOREIGN KEY (tenant_id, rider_id) REFERENCES wallet.account (tenant_id, rider_id),
    CONSTRAINT credited_at_a_time CHECK ((state = 'credited') = (credited_at IS NOT NULL))
);
CREATE INDEX topup_of_rider ON wallet.topup (tenant_id, rider_id, begun_at);
CREATE UNIQUE INDEX one_auto_topup ON wallet.topup (tenant_id, rider_id) WHERE is_auto AND state IN ('open', 'paying');
COMMENT ON TABLE wallet.topup IS 'A checkout session (WAL-13): open until it is paid or has run out. Credited only by settled money, whatever its state was before.';
COMMENT ON COLUMN wallet.topup.payment_id IS 'Derived from the id; the payment''s reference is the top-up.';
COMMENT ON COLUMN wallet.topup.expires_at IS '30 minutes after it was begun, by the database clock.';
COMMENT ON COLUMN wallet.topup.taken_minor IS 'Taken back out of the account because the money was refunded.';
COMMENT ON COLUMN wallet.topup.taking_minor IS 'What is being taken out for refunds up to taking_to: written before the ledger is asked, so that a repeat asks for the same.';

CREATE TABLE wallet.ride (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    rental_id  uuid NOT NULL,
    rider_id   uuid NOT NULL,
    currency   text NOT NULL,
    held       bigint[] NOT NULL DEFAULT '{}',
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settling', 'settled', 'released')),
    total_minor bigint CHECK (total_minor >= 0),
    rest_minor bigint CHECK (rest_minor >= 0),
    paid_minor bigint CHECK (paid_minor >= 0),
    version    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, rental_id),
    FOREIGN KEY (tenant_id, rider_id) REFERENCES wallet.account (tenant_id, rider_id),
    CONSTRAINT paid_within_total CHECK (paid_minor <= total_minor)
);
COMMENT ON TABLE wallet.ride IS 'A ride that is paid from an account: its holds in the ledger are ride:<rental_id>:1, 2, ...';
COMMENT ON COLUMN wallet.ride.held IS 'The amounts of its holds, in their order.';
COMMENT ON COLUMN wallet.ride.rest_minor IS 'What the balance bears beyond the holds: written before the ledger is asked, so that a repeat asks for the same.';
COMMENT ON COLUMN wallet.ride.version IS 'Grows with every hold: of two at the same time one is placed.';

CREATE TABLE wallet.work (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    kind      text NOT NULL CHECK (kind IN ('transaction', 'topup', 'auto', 'takeback', 'ride')),
    subject   uuid NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
);
CREATE INDEX work_due ON wallet.work (at);
COMMENT ON TABLE wallet.work IS 'The work queue: look at this transaction, top-up or rider again at that time. Holds ids only, because workers claim from it across all tenants.';
COMMENT ON INDEX wallet.work_due IS 'Not led by tenant_id: one worker serves all tenants, earliest first.';

CREATE TABLE wallet.setting (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    least_minor     bigint NOT NULL DEFAULT 500 CHECK (least_minor > 0),
    most_minor      bigint NOT NULL DEFAULT 50000 CHECK (most_minor >= least_minor),
    bonus_from_minor bigint NOT NULL DEFAULT 10000 CHECK (bonus_from_minor > 0),
    bonus_minor     bigint NOT NULL DEFAULT 1000 CHECK (bonus_minor >= 0),
    bonus_days      int DEFAULT 365 CHECK (bonus_days > 0),
    low_minor       bigint NOT NULL DEFAULT 1000 CHECK (low_minor >= 0),
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE wallet.setting IS 'What an operator decided about its wallets; without a row the defaults of the contract hold.';
COMMENT ON COLUMN wallet.setting.bonus_days IS 'How long a bonus lasts; null = for ever. Paid money does not run out (a consumer''s claim would outlast any such term).';

ALTER TABLE wallet.account ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.account FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.account USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE wallet.transaction ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.transaction FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.transaction USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE wallet.topup ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.topup FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.topup USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE wallet.ride ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.ride FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.ride USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE wallet.setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.setting FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.setting USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE wallet.work ENABLE ROW LEVEL SECURITY;
ALTER TABLE wallet.work FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON wallet.work USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A worker claims what is due of all tenants at once, then turns to each one's own rows.
CREATE POLICY worker ON wallet.work TO fahrwerk_wallet USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);
