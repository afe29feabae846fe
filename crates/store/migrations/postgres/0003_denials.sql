-- Attempts to break something that were refused, counted by kind: never one row per attempt. peer: who asked, null where
-- several are counted together.
CREATE TABLE denials (
    event_id       uuid             NOT NULL PRIMARY KEY,
    at             timestamptz      NOT NULL,
    at_mono_ns     bigint           NOT NULL CHECK (at_mono_ns >= 0),
    source         text             NOT NULL,
    peer           text,
    tried          text             NOT NULL,
    why            text             NOT NULL,
    count          bigint           NOT NULL CHECK (count >= 0)
);
CREATE INDEX denials_at ON denials (at, event_id);
