-- Letters to staff about critical alerts: gathered, so that an outage is one letter and not thousands.
--
-- Who locks what: the operator's row of alert_pace first, then what waits.

ALTER TABLE notifications.notice DROP CONSTRAINT notice_template_check;
ALTER TABLE notifications.notice ADD CONSTRAINT notice_template_check
    CHECK (template IN ('BookingConfirmation', 'RideReceipt', 'AlertDigest'));
ALTER TABLE notifications.notice DROP CONSTRAINT notice_tenant_id_reference_template_channel_key;
ALTER TABLE notifications.notice ADD CONSTRAINT notice_once UNIQUE (tenant_id, reference, template, channel, user_id);
COMMENT ON COLUMN notifications.notice.reference IS 'What it is about: the rental; of an AlertDigest, the digest.';

CREATE TABLE notifications.alert_news (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    alert_id  uuid NOT NULL,
    roles     text[] NOT NULL,
    heard_at  timestamptz NOT NULL DEFAULT kernel.now(),
    digest_id uuid,
    PRIMARY KEY (tenant_id, alert_id)
);
CREATE INDEX alert_news_waiting ON notifications.alert_news (tenant_id) WHERE digest_id IS NULL;
CREATE INDEX alert_news_digest ON notifications.alert_news (tenant_id, digest_id);
COMMENT ON TABLE notifications.alert_news IS 'Critical alerts that staff is to be told of: waiting, or in a digest. What is told again waits again.';
COMMENT ON COLUMN notifications.alert_news.roles IS 'Who is to be told, as the alert''s rule says.';

CREATE TABLE notifications.alert_pace (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE notifications.alert_pace IS 'When an operator''s staff last got a digest: the next one waits.';

ALTER TABLE notifications.alert_news ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications.alert_news FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON notifications.alert_news USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A work queue: which operators have something waiting is asked with no tenant set; each digest is
-- then put together by a call of its own tenant.
CREATE POLICY worker_finds ON notifications.alert_news FOR SELECT TO fahrwerk_notifications USING (kernel.tenant() IS NULL);

ALTER TABLE notifications.alert_pace ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications.alert_pace FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON notifications.alert_pace USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY worker_finds ON notifications.alert_pace FOR SELECT TO fahrwerk_notifications USING (kernel.tenant() IS NULL);
