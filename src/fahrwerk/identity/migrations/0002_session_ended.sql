-- Which sessions ended within the last hour is asked by every process every few seconds.

CREATE INDEX session_ended ON identity.session (tenant_id, revoked_at) WHERE revoked_at IS NOT NULL;
