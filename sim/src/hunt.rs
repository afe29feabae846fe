//! Many seeds on several threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::run::{Report, Words, run};
use crate::world::{Counts, Violation};

/// What a hunt found.
#[derive(Debug, Default, serde::Serialize)]
pub struct Found {
    /// Seeds that were run.
    pub seeds: u64,
    /// Virtual time of all of them, in seconds.
    pub virtual_s: f64,
    /// Real time, in seconds.
    pub real_s: f64,
    /// Events of all of them.
    pub events: u64,
    /// How often what happened.
    pub counts: Counts,
    /// The violations, by seed, and the events that matter.
    pub violations: Vec<(u64, Violation, Vec<String>)>,
}

/// Runs a seed; an assertion that fails anywhere is a violation too.
#[must_use]
pub fn one(seed: u64, words: Words) -> Report {
    catch_unwind(AssertUnwindSafe(|| run(seed, words))).unwrap_or_else(|panic| {
        tolerancia_wire::time::virtual_time::set(None);
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "no message".to_owned());
        Report {
            seed,
            hash: 0,
            virtual_ns: 0,
            events: 0,
            counts: Counts::new(),
            violation: Some(Violation {
                check: "assertion",
                text,
                subjects: Vec::new(),
                at: 0,
            }),
            lines: Vec::new(),
        }
    })
}

/// What a hunt is to do.
#[derive(Debug, Clone, Copy)]
pub struct Hunt {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Threads.
    pub jobs: usize,
    /// Violations after which it ends.
    pub most: usize,
    /// Real time after which it ends, if it has run at least so many seeds; none: it runs all of them.
    pub limit: Option<(Duration, u64)>,
}

/// What is told while a hunt goes on.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// Now and then: so many seeds are done, and so many violations were found.
    Done(u64, usize),
    /// At once: this seed shows this.
    Found(u64, &'a Violation),
}

/// Hunts, and tells `news` how it goes.
pub fn hunt(hunt: Hunt, news: impl Fn(News<'_>) + Sync) -> Found {
    let Hunt {
        from,
        seeds,
        jobs,
        most,
        limit,
    } = hunt;
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(Found::default());
    let told = Mutex::new(Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= seeds {
                        return;
                    }
                    let seed = from + nth;
                    let report = one(seed, Words::None);
                    let violation = report.violation.clone();
                    // The same again, in words.
                    let lines = violation.as_ref().map(|_| one(seed, Words::OfViolation).lines);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.seeds += 1;
                    found.virtual_s += report.virtual_ns as f64 / 1e9;
                    found.events += report.events;
                    for (what, count) in report.counts {
                        *found.counts.entry(what).or_default() += count;
                    }
                    if let Some(violation) = violation {
                        news(News::Found(seed, &violation));
                        found.violations.push((seed, violation, lines.unwrap_or_default()));
                        if found.violations.len() >= most {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    let (done, bad) = (found.seeds, found.violations.len());
                    if limit.is_some_and(|(limit, least)| began.elapsed() >= limit && done >= least) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    drop(found);
                    if let Ok(mut told) = told.try_lock()
                        && told.elapsed() >= Duration::from_secs(5)
                    {
                        *told = Instant::now();
                        news(News::Done(done, bad));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.real_s = began.elapsed().as_secs_f64();
    found.violations.sort_by_key(|(seed, ..)| *seed);
    found
}
