-- Messages to people: the queue of what is to be said, and the mailbox of the demo.

CREATE TABLE notifications.notice (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    user_id    uuid NOT NULL,
    template   text NOT NULL CHECK (template IN ('BookingConfirmation', 'RideReceipt')),
    channel    text NOT NULL DEFAULT 'email' CHECK (channel IN ('email')),
    reference  uuid NOT NULL,
    trace      text,
    state      text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'failed', 'dropped')),
    attempts   int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at     timestamptz NOT NULL DEFAULT kernel.now(),
    reason     text,
    version    bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT kernel.now(),
    sent_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, reference, template, channel),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
COMMENT ON TABLE notifications.notice IS 'One message to one person (NTF-04): written with the event, sent by a job. Ids only; who is written to and what is said is asked when it is sent.';
COMMENT ON COLUMN notifications.notice.id IS 'Derived from what it is about, so that a repeat has the same Message-ID and mail programs show it once.';
COMMENT ON COLUMN notifications.notice.reference IS 'What it is about: the rental.';
COMMENT ON COLUMN notifications.notice.state IS 'due -> sent | failed (not deliverable, see reason) | dropped (nothing to say any more, or nobody to say it to).';
COMMENT ON COLUMN notifications.notice.attempts IS 'Counts claims: a worker that comes back late with an older number does not decide any more.';
COMMENT ON COLUMN notifications.notice.due_at IS 'While due: when the next try may begin. A claim moves it ahead by the lease, so a worker that died holds nothing up.';
COMMENT ON COLUMN notifications.notice.reason IS 'Why the last try failed, as the mail server said it.';
COMMENT ON COLUMN notifications.notice.version IS 'Of the stream notice:<id>.';

-- Read across operators by the job that sends, so it begins with the time and not with the tenant.
CREATE INDEX notice_due ON notifications.notice (due_at) WHERE state = 'due';

ALTER TABLE notifications.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications.notice FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON notifications.notice USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- The queue is worked off for all operators at once: with no tenant set, the room's own role may
-- find and claim what is due. Each notice is then handled by a call of its own tenant.
CREATE POLICY worker_finds ON notifications.notice FOR SELECT TO fahrwerk_notifications USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON notifications.notice FOR UPDATE TO fahrwerk_notifications USING (kernel.tenant() IS NULL);

CREATE TABLE notifications.mail (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    user_id    uuid NOT NULL,
    template   text NOT NULL,
    sender     text NOT NULL,
    recipient  text NOT NULL,
    subject    text NOT NULL,
    text       text NOT NULL,
    html       text NOT NULL,
    language   text NOT NULL,
    message_id text NOT NULL,
    sent_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX mail_newest ON notifications.mail (tenant_id, sent_at DESC, id DESC);
COMMENT ON TABLE notifications.mail IS 'The mailbox of an installation without an SMTP server: letters as they would have been sent, the newest of each operator. Holds names and addresses; user_id finds them for erasure.';
COMMENT ON COLUMN notifications.mail.id IS 'The notice''s id: a repeated try keeps the letter once.';

ALTER TABLE notifications.mail ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications.mail FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON notifications.mail USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- /dev/mail is opened by a developer's browser, which names no operator. Endpoint and policy read
-- only, and the endpoint exists only where FAHRWERK_DEV is on.
CREATE POLICY mailbox_of_all ON notifications.mail FOR SELECT TO fahrwerk_notifications USING (kernel.tenant() IS NULL);
