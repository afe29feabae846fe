-- The evidence behind a reason, piece by piece; null where there is none, and in rows from before.
ALTER TABLE instance_status ADD COLUMN evidence jsonb;
ALTER TABLE failure_audit ADD COLUMN evidence jsonb;

-- The length of the quarantine that begins with the entry.
ALTER TABLE failure_audit ADD COLUMN quarantine_ms double precision CHECK (quarantine_ms >= 0);
