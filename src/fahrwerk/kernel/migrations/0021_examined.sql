-- What the workers last found against the invariants: the console asks a process that does not look itself.

CREATE TABLE kernel.examined (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    at      timestamptz NOT NULL,
    broken  int NOT NULL CHECK (broken >= 0)
);
COMMENT ON TABLE kernel.examined IS 'One row for the whole installation: when its invariants were last looked at, and how many rows were against one.';
GRANT SELECT, INSERT, UPDATE ON kernel.examined TO fahrwerk_pump;
