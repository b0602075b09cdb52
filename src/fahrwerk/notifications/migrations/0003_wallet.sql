-- Letters about prepaid balances: auto top-up and a balance that has become low.

ALTER TABLE notifications.notice DROP CONSTRAINT notice_template_check;
ALTER TABLE notifications.notice ADD CONSTRAINT notice_template_check
    CHECK (template IN ('BookingConfirmation', 'RideReceipt', 'AlertDigest', 'AutoTopupDone', 'AutoTopupFailed',
                        'BalanceLow'));
COMMENT ON COLUMN notifications.notice.reference IS 'What it is about: the rental; of an AlertDigest, the digest; of an auto top-up, it; of a low balance, the transaction that made it low.';
