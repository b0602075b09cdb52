-- Work on many vehicles at once: staff see how far it has come, what failed and why, and stop it.
--
-- The live map and the history need no table and no index of their own: what changed is found by
-- xmin (queries/live.py), what was measured by the key of fleet.telemetry.

CREATE TABLE fleet.bulk_job (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    operation   text NOT NULL CHECK (operation IN ('set_status', 'set_category', 'command', 'import')),
    value       text NOT NULL CHECK (length(value) <= 50),
    args        jsonb NOT NULL DEFAULT '{}',
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    phase       text CHECK (phase IN ('checking', 'writing')),
    total       int NOT NULL DEFAULT 0 CHECK (total >= 0),
    done        int NOT NULL DEFAULT 0 CHECK (done >= 0),
    failed      int NOT NULL DEFAULT 0 CHECK (failed >= 0),
    undo_of     uuid,
    file        bytea CHECK (length(file) <= 10000000),
    result      jsonb,
    lease_until timestamptz,
    created_by  uuid,
    created_at  timestamptz NOT NULL DEFAULT kernel.now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, undo_of) REFERENCES fleet.bulk_job (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT bulk_job_finished CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE INDEX bulk_job_list ON fleet.bulk_job (tenant_id, created_at DESC);
CREATE INDEX bulk_job_running ON fleet.bulk_job (created_at) WHERE state = 'running';
CREATE UNIQUE INDEX bulk_job_undo ON fleet.bulk_job (tenant_id, undo_of) WHERE undo_of IS NOT NULL;
COMMENT ON TABLE fleet.bulk_job IS 'One operation on many vehicles, or one import file: a work queue of the worker while running.';
COMMENT ON COLUMN fleet.bulk_job.value IS 'set_status: maintenance or available; set_category: the category; command: which; import: create, update or upsert.';
COMMENT ON COLUMN fleet.bulk_job.phase IS 'Of an import: what done counts at the moment.';
COMMENT ON COLUMN fleet.bulk_job.undo_of IS 'The job whose vehicles are given back what they had; a job is undone once.';
COMMENT ON COLUMN fleet.bulk_job.file IS 'Of an import, until it is finished.';
COMMENT ON COLUMN fleet.bulk_job.result IS 'Of an import: rows, problems, what was created and updated.';
COMMENT ON COLUMN fleet.bulk_job.lease_until IS 'A worker is at it until then; one that died leaves it to another.';

CREATE TABLE fleet.bulk_item (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    job_id     uuid NOT NULL,
    position   int NOT NULL,
    vehicle_id uuid NOT NULL,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    reason     text CHECK (length(reason) <= 100),
    found      text,
    made       text,
    PRIMARY KEY (tenant_id, job_id, position),
    FOREIGN KEY (tenant_id, job_id) REFERENCES fleet.bulk_job (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX bulk_item_waiting ON fleet.bulk_item (tenant_id, job_id, position) WHERE state = 'waiting';
CREATE INDEX bulk_item_failed ON fleet.bulk_item (tenant_id, job_id, position) WHERE state = 'failed';
COMMENT ON TABLE fleet.bulk_item IS 'The vehicles of a bulk job, one by one.';
COMMENT ON COLUMN fleet.bulk_item.vehicle_id IS 'As asked for; no foreign key, because what does not exist is to be named as failed.';
COMMENT ON COLUMN fleet.bulk_item.found IS 'What the vehicle had: with it the job can be undone. Of an undo: what it must still have.';
COMMENT ON COLUMN fleet.bulk_item.made IS 'What it was given instead. Of an undo: what it is to be given back.';

ALTER TABLE fleet.bulk_job ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.bulk_job FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.bulk_job USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- With no tenant set the worker may find out which operators have work, and forget what is old; it
-- works as the operator.
CREATE POLICY worker_reads ON fleet.bulk_job FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY worker_forgets ON fleet.bulk_job FOR DELETE TO fahrwerk_fleet USING (kernel.tenant() IS NULL AND state <> 'running');

ALTER TABLE fleet.bulk_item ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.bulk_item FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.bulk_item USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
