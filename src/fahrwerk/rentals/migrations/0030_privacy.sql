-- Where somebody's ride ended stood in the log in the clear; from now on it is sealed with the rider's key.
-- What is there already is taken out: who heard it has done with it what was to be done. The wall stands open
-- for this statement only, within this transaction: the owner of the log is no operator.

ALTER TABLE kernel.event NO FORCE ROW LEVEL SECURITY;
UPDATE kernel.event SET data = data - 'end_latitude' - 'end_longitude'
WHERE name = 'rental.ended' AND data ? 'end_latitude';
ALTER TABLE kernel.event FORCE ROW LEVEL SECURITY;
