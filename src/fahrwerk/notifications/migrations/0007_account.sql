-- Messages about accounts go by SMS too.

ALTER TABLE notifications.notice DROP CONSTRAINT notice_channel_check;
ALTER TABLE notifications.notice ADD CONSTRAINT notice_channel_check CHECK (channel IN ('email', 'sms'));
COMMENT ON COLUMN notifications.notice.reference IS 'What it is about: the rental, digest, top-up, transaction, step of a debt; of an account, the proof or the notice. Which of them, the template says.';
