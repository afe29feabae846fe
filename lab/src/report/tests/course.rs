//! What an experiment may have measured.

use std::path::PathBuf;
use std::time::Duration;

use tolerancia_core::Stock;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::status::{Transition, Verdict as State};

use super::super::*;
use crate::experiment::record::tests::{stamp, transition, trial};
use crate::experiment::record::{Observation, Record, Window};
use crate::experiment::verify::Verified;
use crate::experiment::{ExperimentArgs, Target};
use crate::load::Operation;
use crate::load::stats::End;
use crate::oracle::{OrderAnswer, Told};
use crate::scenario::Scenario;

/// A system that behaved: a baseline from 0 to 1 s, then a trial of each fault.
pub(super) struct Course {
    pub scenario: Scenario,
    pub record: Record,
    pub observations: Vec<Observation>,
    pub transitions: Vec<Transition>,
    pub verified: Verified,
    pub aborted: bool,
    pub failure: Option<String>,
    /// Its end, milliseconds.
    pub ended: u64,
    /// As arguments of the command.
    pub asked_for: Vec<DetectorKind>,
}

impl Course {
    pub fn good() -> Self {
        let ns = |ms: u64| ms * 1_000_000;
        let product: tolerancia_core::ProductId = "PROD-001".parse().unwrap();
        let told = |n: u64| {
            let order = tolerancia_core::OrderId::from_key(0, &n.to_string());
            match n % 2 {
                0 => Told::Stock {
                    asked: product.clone(),
                    product: product.clone(),
                    version: n,
                    stock: Stock {
                        available: 1,
                        reserved: 0,
                    },
                    fresh: true,
                    known: None,
                },
                _ => Told::Order {
                    key: order.key_part(),
                    asked: tolerancia_wire::order::OrderRequest {
                        product_id: product.clone(),
                        quantity: 1,
                    },
                    first: None,
                    answer: OrderAnswer::Confirmed {
                        order,
                        version: Some(n),
                    },
                },
            }
        };
        let trials: Vec<_> = (0..4)
            .map(|fault| {
                let at = 1000 + fault as u64 * 1000;
                let cleared = (fault > 0).then_some(at + 500);
                let mut trial = trial(1 + fault as u8 % 3, at, at + 100, cleared, at + 800);
                trial.case = fault;
                trial
            })
            .collect();
        let transitions = trials
            .iter()
            .flat_map(|t| {
                let on = t.recovered().unwrap().mono_ns / 1_000_000;
                [
                    t.detected().unwrap().clone(),
                    transition(t.hits[0].instance.number(), on, State::On),
                ]
            })
            .collect();
        let mut scenario = Scenario::classic();
        scenario.faults.truncate(4);
        scenario.quick.trials = 1;
        Self {
            scenario,
            record: Record {
                detectors: vec![DetectorKind::Accrual],
                baseline: Some(Window {
                    from_ns: 0,
                    to_ns: ns(999),
                }),
                steady: true,
                injected: true,
                trials,
                ..Record::default()
            },
            observations: (0..500)
                .map(|n| Observation {
                    operation: if n % 2 == 0 {
                        Operation::QueryInventory
                    } else {
                        Operation::CreateOrder
                    },
                    intended_ns: ns(n * 10),
                    latency_ns: ns(2),
                    end: End::Success,
                    told: Some(told(n)),
                })
                .collect(),
            transitions,
            verified: Verified {
                complete: true,
                records: 300,
                ..Verified::default()
            },
            aborted: false,
            failure: None,
            ended: 6000,
            asked_for: Vec::new(),
        }
    }

    /// Adds a trial of each fault with another detector, in which it was detected or not.
    pub fn compare(&mut self, detected: &[bool]) {
        for (case, detected) in detected.iter().enumerate() {
            let at = 10_000 + case as u64 * 1000;
            let cleared = (case > 0).then_some(at + 500);
            let mut trial = trial(1, at, at + 150, cleared, at + 800);
            (trial.case, trial.detector) = (case, DetectorKind::Consecutive);
            if !detected {
                (trial.hits[0].detected, trial.hits[0].recovered) = (None, None);
            }
            self.record.trials.push(trial);
        }
        self.asked_for = vec![DetectorKind::Accrual, DetectorKind::Consecutive];
        self.record.detectors.clone_from(&self.asked_for);
    }

    /// Makes a fault hit the next instance as well.
    pub fn hit_two(&mut self, case: usize) {
        let hits = &mut self.scenario.faults[case].hits;
        hits.push(hits[0].clone());
        let hits = &mut self.record.trials[case].hits;
        let mut second = hits[0].clone();
        second.instance = tolerancia_core::ReplicaId::new(second.instance.number() % 3 + 1).unwrap();
        hits.push(second);
    }

    pub fn report(&self) -> Report {
        let args = ExperimentArgs {
            quick: true,
            trials: Some(1),
            scenario: None,
            detectors: self.asked_for.clone(),
            seed: None,
            out: PathBuf::from("out"),
            record: !self.asked_for.is_empty(),
            junit: None,
            summary: None,
            json: false,
            progress: Default::default(),
        };
        let scenario = &self.scenario;
        let target = Target {
            voter_url: String::new(),
            orders_url: String::new(),
            monitor_url: String::new(),
            inventory_urls: Vec::new(),
            bus: tolerancia_bus::BusConfig {
                bootstrap: String::new(),
                client_id: String::new(),
                fetch_wait: Duration::ZERO,
                partitions: 1,
                replication: 1,
                extra: Vec::new(),
            },
            fault_token: None,
            kafka: "embedded",
            database: "sqlite".to_owned(),
            replicas: 3,
        };
        build(&Facts {
            args: &args,
            pace: scenario.pace(true),
            scenario,
            seed: 7,
            started: stamp(0),
            ended: stamp(self.ended),
            target: &target,
            record: &self.record,
            transitions: &self.transitions,
            observations: &self.observations,
            verified: &self.verified,
            aborted: self.aborted,
            failure: self.failure.clone(),
        })
    }

    /// The names of the objectives about this fault.
    pub fn asked(&self, fault: Option<&str>) -> Vec<String> {
        let report = self.report();
        let about = report.objectives.iter().filter(|o| o.fault.as_deref() == fault);
        about.map(|o| o.name.clone()).collect()
    }

    /// The objectives that were missed, as `name/fault`.
    pub fn missed(&self) -> Vec<String> {
        let report = self.report();
        assert_eq!(report.verdict, Verdict::Fail);
        let missed = report.objectives.iter().filter(|objective| !objective.met);
        missed
            .map(|o| format!("{}/{}", o.name, o.fault.as_deref().unwrap_or("")))
            .collect()
    }
}
