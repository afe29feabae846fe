-- The evidence behind a reason, piece by piece, as JSON; null where there is none, and in rows from before.
ALTER TABLE instance_status ADD COLUMN evidence TEXT;
ALTER TABLE failure_audit ADD COLUMN evidence TEXT;

-- The length of the quarantine that begins with the entry.
ALTER TABLE failure_audit ADD COLUMN quarantine_ms REAL;
