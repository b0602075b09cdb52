-- Letters about rides that could not be collected. Which templates there are is for the code to say: a list
-- here would have to be repeated with each new one.

ALTER TABLE notifications.notice DROP CONSTRAINT IF EXISTS notice_template_check;
ALTER TABLE notifications.notice ADD CONSTRAINT notice_template_check CHECK (template ~ '^[A-Z][A-Za-z0-9]{2,60}$');
