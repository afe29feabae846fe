-- Times are RFC 3339 text in UTC with six decimals, which sorts as it reads; *_mono_ns is the same instant
-- on CLOCK_MONOTONIC of the host that wrote it.

CREATE TABLE instance_status (
    service        TEXT    NOT NULL,
    instance       INTEGER NOT NULL,
    status         TEXT    NOT NULL,
    phase          TEXT    NOT NULL,
    reason_kind    TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    since          TEXT    NOT NULL,
    since_mono_ns  INTEGER NOT NULL,
    pid            INTEGER,
    PRIMARY KEY (service, instance)
) STRICT;

-- Every change of verdict or phase. ttd_ms and ttr_ms are added when the activation of the fault is known.
CREATE TABLE failure_audit (
    seq            INTEGER PRIMARY KEY,
    at             TEXT    NOT NULL,
    at_mono_ns     INTEGER NOT NULL,
    service        TEXT    NOT NULL,
    instance       INTEGER NOT NULL,
    from_status    TEXT    NOT NULL,
    to_status      TEXT    NOT NULL,
    phase          TEXT    NOT NULL,
    reason_kind    TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    quorum_lost    INTEGER NOT NULL,
    ttd_ms         REAL,
    ttr_ms         REAL
) STRICT;
CREATE INDEX failure_audit_instance ON failure_audit (instance, seq);

-- One row per process, endpoint, status and second. Latencies in microseconds.
CREATE TABLE request_metrics (
    second         INTEGER NOT NULL,
    service        TEXT    NOT NULL,
    instance       TEXT    NOT NULL,
    endpoint       TEXT    NOT NULL,
    status         INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    p50_us         INTEGER NOT NULL,
    p95_us         INTEGER NOT NULL,
    p99_us         INTEGER NOT NULL,
    max_us         INTEGER NOT NULL,
    histogram      BLOB    NOT NULL,
    PRIMARY KEY (second, service, instance, endpoint, status)
) STRICT, WITHOUT ROWID;

-- Agreements as counts; a lie with what was said and how often, in the interval that ends at "at".
CREATE TABLE voting_events (
    event_id       TEXT    NOT NULL PRIMARY KEY,
    at             TEXT    NOT NULL,
    at_mono_ns     INTEGER NOT NULL,
    source         TEXT    NOT NULL,
    instance       INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    count          INTEGER NOT NULL,
    product        TEXT,
    dissent        TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX voting_events_at ON voting_events (at, event_id);

-- key_part: the order id without its partition, the same for the same idempotency key.
-- step: PENDING 0, CONFIRMED and REJECTED 1, CANCELLED 2; an order never goes to a lower one.
CREATE TABLE orders (
    order_id         TEXT    NOT NULL PRIMARY KEY,
    key_part         TEXT    NOT NULL,
    product          TEXT,
    quantity         INTEGER,
    status           TEXT    NOT NULL,
    step             INTEGER NOT NULL,
    reason           TEXT,
    version          INTEGER,
    created          TEXT    NOT NULL,
    created_mono_ns  INTEGER NOT NULL,
    updated          TEXT    NOT NULL,
    updated_mono_ns  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_key_part ON orders (key_part, created);
CREATE INDEX orders_created ON orders (created, order_id);
CREATE INDEX orders_status ON orders (status, created, order_id);
