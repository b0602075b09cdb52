-- Who takes in telemetry at all: so that a worker that joins is given seats by those that have more.

CREATE TABLE fleet.ingest_worker (
    holder     text NOT NULL PRIMARY KEY CHECK (length(holder) <= 100),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.ingest_worker IS 'Workers that listen to vehicles or would, each as a lease on the database''s clock. With more seats than its equal a worker gives one up, in order: docs/operate.md. No operator''s data.';
