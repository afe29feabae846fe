-- Attempts to break something that were refused, counted by kind: never one row per attempt. peer: who asked, null where
-- several are counted together.
CREATE TABLE denials (
    event_id       TEXT    NOT NULL PRIMARY KEY,
    at             TEXT    NOT NULL,
    at_mono_ns     INTEGER NOT NULL CHECK (at_mono_ns >= 0),
    source         TEXT    NOT NULL,
    peer           TEXT,
    tried          TEXT    NOT NULL,
    why            TEXT    NOT NULL,
    count          INTEGER NOT NULL CHECK (count >= 0)
) STRICT;
CREATE INDEX denials_at ON denials (at, event_id);
