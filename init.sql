-- The schema of tolerancia in PostgreSQL, for whoever makes it by hand:
--
--     psql -v ON_ERROR_STOP=1 -f init.sql "$POSTGRES_URL"
--
-- The services need no such script: they make the schema when they first use an empty database, and bring an older
-- one up to date. Where their user may not do that, run the migrations below that the table schema_migrations does
-- not list, each with its INSERT.
-- Generated from crates/store/migrations/postgres. After a new migration:
--
--     UPDATE_INIT_SQL=1 cargo test -p tolerancia-store init_sql

BEGIN;

-- The migrations that were applied.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version  bigint      NOT NULL PRIMARY KEY,
    name     text        NOT NULL,
    applied  timestamptz NOT NULL DEFAULT now()
);

-- Migration 1: initial

-- *_mono_ns is the instant beside it, on CLOCK_MONOTONIC of the host that wrote it, in nanoseconds.
-- Text that is sorted by is sorted by its bytes, whatever the language of the database.

CREATE TABLE instance_status (
    service        text COLLATE "C" NOT NULL,
    instance       smallint         NOT NULL CHECK (instance BETWEEN 1 AND 255),
    status         text             NOT NULL CHECK (status IN ('ON', 'OFF')),
    phase          text             NOT NULL,
    reason_kind    text             NOT NULL,
    reason         text             NOT NULL,
    since          timestamptz      NOT NULL,
    since_mono_ns  bigint           NOT NULL CHECK (since_mono_ns >= 0),
    pid            bigint           CHECK (pid >= 0),
    PRIMARY KEY (service, instance)
);

-- Every change of verdict or phase. ttd_ms and ttr_ms are added when the activation of the fault is known.
CREATE TABLE failure_audit (
    seq            bigint           NOT NULL PRIMARY KEY CHECK (seq >= 0),
    at             timestamptz      NOT NULL,
    at_mono_ns     bigint           NOT NULL CHECK (at_mono_ns >= 0),
    service        text             NOT NULL,
    instance       smallint         NOT NULL CHECK (instance BETWEEN 1 AND 255),
    from_status    text             NOT NULL CHECK (from_status IN ('ON', 'OFF')),
    to_status      text             NOT NULL CHECK (to_status IN ('ON', 'OFF')),
    phase          text             NOT NULL,
    reason_kind    text             NOT NULL,
    reason         text             NOT NULL,
    quorum_lost    boolean          NOT NULL,
    ttd_ms         double precision,
    ttr_ms         double precision
);
CREATE INDEX failure_audit_instance ON failure_audit (instance, seq);

-- One row per process, endpoint, status and second (Unix time). Latencies in microseconds.
CREATE TABLE request_metrics (
    second         bigint           NOT NULL,
    service        text COLLATE "C" NOT NULL,
    instance       text COLLATE "C" NOT NULL,
    endpoint       text COLLATE "C" NOT NULL,
    status         integer          NOT NULL CHECK (status BETWEEN 0 AND 65535),
    count          bigint           NOT NULL CHECK (count >= 0),
    p50_us         bigint           NOT NULL CHECK (p50_us >= 0),
    p95_us         bigint           NOT NULL CHECK (p95_us >= 0),
    p99_us         bigint           NOT NULL CHECK (p99_us >= 0),
    max_us         bigint           NOT NULL CHECK (max_us >= 0),
    histogram      bytea            NOT NULL,
    PRIMARY KEY (second, service, instance, endpoint, status)
);

-- Agreements as counts; a lie with what was said and how often, in the interval that ends at "at".
CREATE TABLE voting_events (
    event_id       uuid             NOT NULL PRIMARY KEY,
    at             timestamptz      NOT NULL,
    at_mono_ns     bigint           NOT NULL CHECK (at_mono_ns >= 0),
    source         text             NOT NULL,
    instance       smallint         NOT NULL CHECK (instance BETWEEN 1 AND 255),
    kind           text             NOT NULL CHECK (kind IN ('agreements', 'disagreement')),
    count          bigint           NOT NULL CHECK (count >= 0),
    product        text,
    dissent        jsonb,
    CHECK ((kind = 'disagreement') = (dissent IS NOT NULL))
);
CREATE INDEX voting_events_at ON voting_events (at, event_id);

-- key_part: the order id without its partition, the same for the same idempotency key.
-- step: PENDING 0, CONFIRMED and REJECTED 1, CANCELLED 2; an order never goes to a lower one.
CREATE TABLE orders (
    order_id         uuid           NOT NULL PRIMARY KEY,
    key_part         bytea          NOT NULL CHECK (octet_length(key_part) = 14),
    product          text,
    quantity         bigint         CHECK (quantity >= 0),
    status           text           NOT NULL CHECK (status IN ('PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED')),
    step             smallint       NOT NULL CHECK (step BETWEEN 0 AND 2),
    reason           text,
    version          bigint         CHECK (version >= 0),
    created          timestamptz    NOT NULL,
    created_mono_ns  bigint         NOT NULL CHECK (created_mono_ns >= 0),
    updated          timestamptz    NOT NULL,
    updated_mono_ns  bigint         NOT NULL CHECK (updated_mono_ns >= 0)
);
CREATE INDEX orders_key_part ON orders (key_part, created);
CREATE INDEX orders_created ON orders (created, order_id);
CREATE INDEX orders_status ON orders (status, created, order_id);

INSERT INTO schema_migrations (version, name) VALUES (1, 'initial');

-- Migration 2: evidence

-- The evidence behind a reason, piece by piece; null where there is none, and in rows from before.
ALTER TABLE instance_status ADD COLUMN evidence jsonb;
ALTER TABLE failure_audit ADD COLUMN evidence jsonb;

-- The length of the quarantine that begins with the entry.
ALTER TABLE failure_audit ADD COLUMN quarantine_ms double precision CHECK (quarantine_ms >= 0);

INSERT INTO schema_migrations (version, name) VALUES (2, 'evidence');

-- Migration 3: denials

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

INSERT INTO schema_migrations (version, name) VALUES (3, 'denials');

COMMIT;
