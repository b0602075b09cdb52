-- What is due from before there were debts becomes one by the first worker. The wall stands open for this statement
-- only, within this transaction: the owner of the tables is no operator.
ALTER TABLE payments.payment NO FORCE ROW LEVEL SECURITY;
ALTER TABLE payments.work NO FORCE ROW LEVEL SECURITY;
INSERT INTO payments.work (tenant_id, kind, subject, at)
SELECT tenant_id, 'debt', id, now() FROM payments.payment WHERE state = 'due' ON CONFLICT DO NOTHING;
ALTER TABLE payments.payment FORCE ROW LEVEL SECURITY;
ALTER TABLE payments.work FORCE ROW LEVEL SECURITY;
