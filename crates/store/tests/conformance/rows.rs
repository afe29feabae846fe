//! Rows for the tests.

#![allow(clippy::unwrap_used, dead_code)]

use tolerancia_store::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
use tolerancia_wire::Stamp;
use tolerancia_wire::core::detector::Seen;
use tolerancia_wire::core::ledger::{Outcome, Stock};
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::{Denial, DenialEntry, Why};
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::{Clue, InstanceStatus, Phase, Reason, ReasonKind, Transition, Verdict};
use uuid::Uuid;

pub fn replica(n: u8) -> ReplicaId {
    ReplicaId::new(n).unwrap()
}

/// `n` microseconds after some instant.
pub fn stamp(n: u64) -> Stamp {
    Stamp {
        at: jiff::Timestamp::from_microsecond(1_700_000_000_000_000 + n as i64).unwrap(),
        mono_ns: n * 1000,
    }
}

fn reason() -> Reason {
    Reason::new(ReasonKind::Dissent, "dissent: PROD-001 at version 7")
}

/// A reason with two pieces of evidence.
pub fn proven() -> Reason {
    let clue = |ago_us: u64, what, from: &str, likelihood| Clue {
        at: stamp(1_000_000 - ago_us).at,
        ms_before: ago_us as f64 / 1e3,
        what,
        from: from.to_owned(),
        count: u32::MAX,
        weight: 0.25,
        likelihood,
    };
    Reason {
        evidence: vec![
            clue(104_125, Seen::Late, "health check", 5.7038),
            clue(7, Seen::Unreachable, "'; -- ñ \"$1\" ?1", -1e-7),
        ],
        ..Reason::new(ReasonKind::Late, "late")
    }
}

pub fn status(n: u8, verdict: Verdict) -> InstanceStatus {
    InstanceStatus {
        service: "inventory-svc".to_owned(),
        instance: replica(n),
        status: verdict,
        phase: Phase::Quarantine,
        reason: reason(),
        since: stamp(5),
        pid: Some(7),
    }
}

pub fn audit(seq: u64, n: u8) -> AuditRow {
    AuditRow::from(Transition {
        seq,
        stamp: stamp(seq),
        service: "inventory-svc".to_owned(),
        instance: replica(n),
        from: Verdict::On,
        to: Verdict::Off,
        phase: Phase::Probation,
        reason: reason(),
        quorum_lost: seq.is_multiple_of(2),
        quarantine_ms: None,
    })
}

pub fn metrics(second: i64, count: u64) -> RequestMetricsRow {
    RequestMetricsRow {
        service: "voter-svc".to_owned(),
        instance: "1".to_owned(),
        endpoint: "/inventory/{product}".to_owned(),
        status: 200,
        second,
        count,
        p50_us: 900,
        p95_us: 1_900,
        p99_us: 2_900,
        max_us: 3_900,
        histogram: vec![0, 255, 0, 7],
    }
}

fn event(n: u64, kind: VotingKind) -> VotingEvent {
    VotingEvent {
        event_id: Uuid::from_u128(n.into()),
        stamp: stamp(n),
        source: "voter-svc".to_owned(),
        instance: replica(1),
        kind,
    }
}

pub fn agreements(n: u64, count: u64) -> VotingEvent {
    event(n, VotingKind::Agreements { count })
}

/// With the largest numbers: a liar may claim any version.
pub fn dissent_stock(n: u64) -> VotingEvent {
    let dissent = Dissent::Stock {
        product: "PROD-001".parse().unwrap(),
        version: u64::MAX,
        said: Some(Stock {
            available: u64::MAX,
            reserved: 1,
        }),
        agreed: None,
        robust_z: Some(12.5),
    };
    event(n, VotingKind::Disagreement { count: n, dissent })
}

pub fn dissent_order(n: u64) -> VotingEvent {
    let dissent = Dissent::Outcome {
        order_id: Some(order_id(0, 1)),
        said: Outcome::Conflict,
        agreed: Outcome::Reserved { version: 7 },
    };
    event(n, VotingKind::Disagreement { count: n, dissent })
}

/// Refused attempts; of every second one nobody knows who made it.
pub fn denial(n: u64, count: u64) -> DenialEntry {
    DenialEntry {
        event_id: Uuid::from_u128(n.into()),
        stamp: stamp(n),
        source: "inventory-svc/2".to_owned(),
        denial: Denial {
            peer: n.is_multiple_of(2).then(|| "2001:db8::7".parse().unwrap()),
            tried: "PUT /fault'; -- \u{f1}".to_owned(),
            why: Why::ALL[(n % 4) as usize],
            count,
        },
    }
}

/// Order `n` of a partition.
pub fn order_id(partition: u16, n: u16) -> OrderId {
    let mut random = [1; 14];
    random[12..].copy_from_slice(&n.to_be_bytes());
    OrderId::from_random(partition, random)
}

/// An order as it is at `status`; the last two bytes of its id say when it was made.
pub fn order(id: OrderId, status: OrderStatus) -> OrderRow {
    let created = (id.key_part() & 0xff) as u64;
    let step = status as u64;
    OrderRow {
        order_id: id,
        product_id: Some("PROD-001".parse().unwrap()),
        quantity: Some((1 << 53) - 1),
        status,
        reason: (status == OrderStatus::Rejected).then(|| "insufficient_stock".to_owned()),
        version: (status != OrderStatus::Pending).then_some(step),
        created: stamp(created),
        updated: stamp(created + step * 100),
    }
}

/// `status(1, OFF)` and `audit(1, 1)` as they were written before there was evidence.
pub const BEFORE: &str = "
    INSERT INTO instance_status (service, instance, status, phase, reason_kind, reason, since, since_mono_ns, pid)
    VALUES ('inventory-svc', 1, 'OFF', 'quarantine', 'dissent', 'dissent: PROD-001 at version 7',
            '2023-11-14T22:13:20.000005Z', 5000, 7);
    INSERT INTO failure_audit (seq, at, at_mono_ns, service, instance, from_status, to_status, phase, reason_kind,
                               reason, quorum_lost)
    VALUES (1, '2023-11-14T22:13:20.000001Z', 1000, 'inventory-svc', 1, 'ON', 'OFF', 'probation', 'dissent',
            'dissent: PROD-001 at version 7', false)";
