-- Somebody looked at the photo of a ride's end (RNT-48): was the vehicle left well?
ALTER TABLE rentals.end_photo
    ADD COLUMN verdict     text CHECK (verdict IN ('good', 'bad')),
    ADD COLUMN note        text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    ADD COLUMN reviewed_by uuid,
    ADD COLUMN reviewed_at timestamptz,
    ADD CONSTRAINT reviewed_by_somebody CHECK ((verdict IS NULL) = (reviewed_at IS NULL));
CREATE INDEX end_photo_by_time ON rentals.end_photo (tenant_id, created_at DESC, rental_id DESC);
CREATE INDEX end_photo_unseen ON rentals.end_photo (tenant_id, created_at DESC, rental_id DESC) WHERE verdict IS NULL;
COMMENT ON COLUMN rentals.end_photo.verdict IS 'What a person of the operator said of the parking: good | bad; null until then. May be changed.';
