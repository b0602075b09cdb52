-- Payments that the risk rules let pass can be looked at, the newest first.

CREATE INDEX risk_allowed ON payments.risk (tenant_id, at) WHERE decision = 'allow';
