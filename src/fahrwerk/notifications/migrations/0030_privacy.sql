-- Whoever is erased, and what is too old, is found in one step.

CREATE INDEX notice_of_person ON notifications.notice (tenant_id, user_id, created_at);
CREATE INDEX mail_of_person ON notifications.mail (tenant_id, user_id);
