//! A small experiment of paper: a log of the ledger's own events, and what clients were told of it.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tolerancia_bus::Message;
use tolerancia_core::ledger::{Event, Refusal};
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::status::{Transition, Verdict};
use tolerancia_wire::time::rfc3339;

use super::super::{Contents, Log, write};
use crate::experiment::record::Observation;
use crate::experiment::record::tests::{stamp, transition};
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::oracle::{OrderAnswer, Told};
use crate::scenario::Scenario;

pub struct World {
    pub scenario: Scenario,
    pub log: Log,
    pub observations: Vec<Observation>,
    pub transitions: Vec<Transition>,
    pub report: Value,
}

pub fn product(name: &str) -> ProductId {
    name.parse().unwrap()
}

fn reserve(partition: u16, product_id: &str, key: &str, quantity: u64) -> Event {
    Event::Reserve {
        order_id: OrderId::from_key(partition, key),
        product_id: product(product_id),
        quantity,
    }
}

fn restock(product_id: &str, quantity: u64) -> Event {
    Event::Restock {
        product_id: product(product_id),
        quantity,
    }
}

fn stock(version: u64, available: u64, reserved: u64, known: Option<u64>) -> Told {
    Told::Stock {
        asked: product("PROD-001"),
        product: product("PROD-001"),
        version,
        stock: Stock { available, reserved },
        fresh: true,
        known,
    }
}

fn order(partition: u16, name: &str, key: &str, quantity: u64, version: Option<u64>) -> Told {
    let order = OrderId::from_key(partition, key);
    Told::Order {
        key: order.key_part(),
        asked: OrderRequest {
            product_id: product(name),
            quantity,
        },
        answer: match version {
            None => OrderAnswer::Rejected,
            version => OrderAnswer::Confirmed { order, version },
        },
        first: None,
    }
}

impl World {
    pub fn good() -> Self {
        let record = |partition: u16, offset: u64, event: Event| Message {
            partition,
            offset,
            key: None,
            payload: OrderEvent::new("test", event).to_bytes(),
        };
        let a = OrderId::from_key(0, "a");
        let mut records = vec![
            record(0, 0, restock("PROD-001", 100)),
            record(0, 1, reserve(0, "PROD-001", "a", 5)),
            record(0, 2, restock("PROD-001", 1)),
            record(0, 3, reserve(0, "PROD-001", "b", 1000)),
            record(0, 4, reserve(0, "PROD-001", "c", 7)),
            record(0, 5, Event::Release { order_id: a }),
            record(1, 0, restock("PROD-002", 50)),
            record(1, 1, reserve(1, "PROD-002", "d", 3)),
        ];
        // Nobody can read it, and no line can hold it as it is.
        records[2].payload = b"{\n\xff".to_vec();
        let (query, create, cancel) = (
            Operation::QueryInventory,
            Operation::CreateOrder,
            Operation::CancelOrder,
        );
        let refused = Told::Refused {
            order: OrderId::from_key(0, "b"),
            reason: Refusal::NeverConfirmed,
        };
        let seen = [
            (query, End::Success, Some(stock(0, 100, 0, None))),
            (create, End::Success, Some(order(0, "PROD-001", "a", 5, Some(1)))),
            (query, End::Success, Some(stock(1, 95, 5, Some(1)))),
            (
                create,
                End::Rejected("insufficient_stock".to_owned()),
                Some(order(0, "PROD-001", "b", 1000, None)),
            ),
            (query, End::Failed(Failure::Status(503)), None),
            (create, End::Success, Some(order(0, "PROD-001", "c", 7, Some(4)))),
            (cancel, End::Success, Some(Told::Cancelled { order: a })),
            (query, End::Success, Some(stock(5, 93, 7, Some(5)))),
            (create, End::Success, Some(order(1, "PROD-002", "d", 3, Some(1)))),
            (cancel, End::Rejected("refused".to_owned()), Some(refused)),
        ];
        let observations = seen
            .into_iter()
            .enumerate()
            .map(|(n, (operation, end, told))| Observation {
                operation,
                intended_ns: 1_000_000 * n as u64,
                latency_ns: 1_500_001,
                end,
                told,
            });
        let transitions = vec![transition(1, 1100, Verdict::Off), transition(1, 1800, Verdict::On)];
        let mut scenario = Scenario::classic();
        scenario.faults.truncate(1);
        Self {
            log: Log {
                records,
                ends: [(0, 6), (1, 2)].into(),
            },
            observations: observations.collect(),
            transitions,
            report: report(&scenario),
            scenario,
        }
    }

    /// A good one, and the folder that it is in.
    pub fn written() -> (TempDir, Self) {
        let world = Self::good();
        (world.folder(), world)
    }

    /// A folder that it is in.
    pub fn folder(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        self.copy().write(dir.path(), true);
        dir
    }

    fn copy(&self) -> Self {
        Self {
            scenario: self.scenario.clone(),
            log: self.log.clone(),
            observations: self.observations.clone(),
            transitions: self.transitions.clone(),
            report: self.report.clone(),
        }
    }

    /// Writes it, with its log or without.
    pub fn write(&mut self, dir: &Path, log: bool) {
        let files = write(
            dir,
            &Contents {
                scenario: &self.scenario,
                repeat: "tolerancia experiment --seed 1",
                transitions: &self.transitions,
                observations: &self.observations,
                log: log.then_some(&self.log),
            },
        );
        self.report["files"] = json!(files.unwrap());
        self.write_report(dir);
    }

    pub fn write_report(&self, dir: &Path) {
        std::fs::write(dir.join("report.json"), self.report.to_string()).unwrap();
    }

    /// The order of the other partition was confirmed at this version.
    pub fn confirm_d_at(&mut self, at: u64) {
        let of_d = self.observations.iter_mut().filter_map(|seen| match &mut seen.told {
            Some(Told::Order { asked, answer, .. }) if asked.product_id == product("PROD-002") => Some(answer),
            _ => None,
        });
        for answer in of_d {
            if let OrderAnswer::Confirmed { version, .. } = answer {
                *version = Some(at);
            }
        }
    }
}

fn report(scenario: &Scenario) -> Value {
    let at = |ms: u64| rfc3339(stamp(ms).at);
    let phase = json!({ "requests": 10, "success_rate": 0.9, "p50_ms": 2.0, "p95_ms": 2.0, "p99_ms": 2.0, "max_ms": 2.0,
        "quorum_rate": 0.75, "failed": {} });
    let mut baseline = phase.clone();
    baseline["false_alarms"] = 0.into();
    let trial = json!({ "instance": "1", "activated_at": at(1000), "detected_at": at(1100), "cleared_at": null,
        "recovered_at": at(1800), "reason": "because", "ttd_ms": 100.0, "ttr_ms": 800.0, "repair_ms": 800.0 });
    json!({ "schema": 1, "verdict": "pass", "started_at": at(0), "duration_s": 2.0, "seed": 1,
        "scenario": scenario.name, "repeat": "tolerancia experiment --seed 1",
        "environment": { "kafka": "embedded", "database": "sqlite", "replicas": 3, "cores": 2, "detector": "accrual",
            "version": "0.1.0" },
        "baseline": baseline,
        "faults": [{ "fault": "crash", "detector": "accrual", "parameters": scenario.faults[0].parameters(), "trials": 1, "detected": 1,
            "recovered": 1, "ttd_ms": null, "ttr_ms": null, "repair_ms": null, "during": phase, "wrong_answers": 0,
            "trials_detail": [trial] }],
        "objectives": [],
        "oracle": { "complete": true, "answers_checked": 3, "wrong_answers": 0, "orders_acknowledged": 4,
            "orders_lost": 0, "orders_doubled": 0, "replicas_equal": true, "records": 8, "unreadable_records": 1,
            "findings": [] },
        "false_alarms": [], "notes": [] })
}

/// The lines of a file in the folder.
pub fn read(dir: &Path, name: &str) -> Vec<String> {
    let bytes = std::fs::read(dir.join(name)).unwrap();
    let mut text = String::new();
    if name.ends_with(".zst") {
        zstd::Decoder::new(&bytes[..])
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text.lines().map(str::to_owned).collect()
}

/// Puts other lines into a file of the folder.
pub fn rewrite(dir: &Path, name: &str, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let bytes = if name.ends_with(".zst") {
        zstd::encode_all(text.as_bytes(), 3).unwrap()
    } else {
        text.into_bytes()
    };
    std::fs::write(dir.join(name), bytes).unwrap();
}
