//! Reads a trace from a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use tolerancia_core::ReplicaId;
use tolerancia_wire::trace::{SCHEMA, TraceLine};

use super::{Begin, Entry, Evidence, Span, Trace, Trial, Turn};

/// A longer line is no line of a trace.
const MOST_BYTES: u64 = 1 << 16;
/// A trace that is longer does not fit into the memory of a small machine (20 million lines are a week).
const MOST_LINES: usize = 20_000_000;
/// A report that took longer was made on another host, whose clock says nothing here.
const MOST_DELAY_NS: u64 = 10_000_000_000;

/// The trace in the file at `path`.
///
/// # Errors
/// A message for the operator that names the file and the line.
pub(crate) fn read(path: &Path) -> Result<Trace, String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("the trace {name} cannot be read ({error})"))?;
    let mut reader = Reader {
        source: BufReader::new(file),
        line: 0,
        bytes: Vec::new(),
    };
    reader.trace().map_err(|message| match reader.line {
        0 => format!("the trace {name} {message}"),
        line => format!("the trace {name}, line {line}: {message}"),
    })
}

struct Reader<R> {
    source: R,
    /// The number of the line that was read last, from 1.
    line: usize,
    bytes: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    fn trace(&mut self) -> Result<Trace, String> {
        let first = self.next()?;
        let Some(TraceLine::Begin { .. }) = first else {
            return Err(match first {
                None => "is empty: record one with `tolerancia experiment --record`".to_owned(),
                Some(_) => "a trace starts with a line of type \"begin\"".to_owned(),
            });
        };
        let mut builder = Builder::new(first)?;
        while let Some(line) = self.next()? {
            if self.line > MOST_LINES {
                return Err(format!("a trace has at most {MOST_LINES} lines: split it"));
            }
            builder.take(line)?;
        }
        self.line = 0;
        builder.done()
    }

    /// The next line; none at the end.
    fn next(&mut self) -> Result<Option<TraceLine>, String> {
        self.bytes.clear();
        let mut limited = (&mut self.source).take(MOST_BYTES);
        let read = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(|error| format!("cannot be read ({error})"))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.bytes.last() != Some(&b'\n') {
            return Err(if read as u64 == MOST_BYTES {
                "this is no line of a trace: it is longer than 64 KiB".to_owned()
            } else {
                "the line is cut off, so the recording was interrupted: delete it (`sed -i '$d' FILE`) and use the rest"
                    .to_owned()
            });
        }
        serde_json::from_slice(&self.bytes)
            .map(Some)
            .map_err(|error| format!("this is no line of a trace ({error})"))
    }
}

struct Builder {
    trace: Trace,
    /// The newest instant of the monitor's so far.
    last_ns: u64,
    /// Lines are lost since then.
    torn_ns: Option<u64>,
}

impl Builder {
    fn new(first: Option<TraceLine>) -> Result<Self, String> {
        let Some(line) = first else {
            return Err("is empty".to_owned());
        };
        Ok(Self {
            last_ns: began_ns(&line),
            torn_ns: None,
            trace: Trace {
                begin: begin(&line)?,
                load: None,
                entries: Vec::new(),
                verdicts: Vec::new(),
                stalls: Vec::new(),
                tears: Vec::new(),
                faults: Vec::new(),
                report_delays_ns: Vec::new(),
            },
        })
    }

    fn known(&self, instance: ReplicaId) -> Result<ReplicaId, String> {
        if instance.number() > self.trace.begin.replicas {
            return Err(format!(
                "there is no instance {instance}: the monitor has {} replicas",
                self.trace.begin.replicas
            ));
        }
        Ok(instance)
    }

    fn take(&mut self, line: TraceLine) -> Result<(), String> {
        match line {
            TraceLine::Begin { .. } => {
                let (at_ns, before) = (began_ns(&line), self.trace.begin);
                // An experiment may have switched the detector.
                let begin = Begin {
                    detector: before.detector,
                    ..begin(&line)?
                };
                if begin != before {
                    return Err("another system begins here, or other settings: use one trace for each".to_owned());
                }
                if at_ns < self.last_ns {
                    return Err(
                        "the clock begins anew here, after a restart of the host or on another one: move \
                                this line and the rest into a trace of their own"
                            .to_owned(),
                    );
                }
                // The connection was lost, or the monitor was started again: what it knew before is gone.
                self.torn_ns.get_or_insert(self.last_ns);
                self.on(at_ns);
            }
            TraceLine::Load {
                queries_rps,
                orders_rps,
            } => self.trace.load = Some([queries_rps, orders_rps]),
            TraceLine::Check {
                at_ns,
                instance,
                seen,
                took_us,
            } => {
                let took_us = took_us.map(|us| u32::try_from(us).unwrap_or(u32::MAX));
                self.enter(at_ns, instance, Evidence::Check { seen, took_us })?;
            }
            TraceLine::Report {
                at_ns,
                made_ns,
                instance,
                good,
                good_first,
                late,
                late_us_ago,
                failed,
                lies,
                ..
            } => {
                let delay_ns = at_ns.checked_sub(made_ns).filter(|delay_ns| *delay_ns <= MOST_DELAY_NS);
                self.trace.report_delays_ns.extend(delay_ns);
                // The monitor counts from when the report reached it.
                let on_its_way = delay_ns.unwrap_or(0) / 1000;
                let on_its_way = u32::try_from(on_its_way).unwrap_or(u32::MAX);
                let late_us_ago = late_us_ago.map(|us| us.saturating_add(on_its_way));
                let lies = lies > 0;
                self.enter(
                    at_ns,
                    instance,
                    Evidence::Report {
                        good,
                        good_first,
                        late,
                        late_us_ago,
                        failed,
                        lies,
                    },
                )?;
            }
            TraceLine::Verdict {
                at_ns, instance, on, ..
            } => {
                let instance = self.known(instance)?;
                self.on(at_ns);
                self.trace.verdicts.push(Turn { at_ns, instance, on });
            }
            TraceLine::Stall { at_ns, for_ns } => self.trace.stalls.push(Span {
                from_ns: at_ns.saturating_sub(for_ns),
                to_ns: at_ns,
            }),
            TraceLine::Fault {
                activated_ns,
                cleared_ns,
                detected_ns,
                instance,
                faults,
                detector,
            } => {
                if detected_ns.is_some_and(|detected_ns| detected_ns < activated_ns) {
                    return Err("a fault is detected before it is activated".to_owned());
                }
                let instance = self.known(instance)?;
                self.fault(Trial {
                    activated_ns,
                    cleared_ns,
                    detected_ns,
                    instance,
                    faults,
                    detector,
                    over: cleared_ns.is_some() || detected_ns.is_some(),
                });
            }
            TraceLine::Lost { .. } => {
                self.torn_ns.get_or_insert(self.last_ns);
            }
        }
        Ok(())
    }

    /// The monitor's time goes on; a tear ends.
    fn on(&mut self, at_ns: u64) {
        if let Some(torn_ns) = self.torn_ns.take() {
            let from_ns = torn_ns.saturating_add(1);
            self.trace.tears.push(Span {
                from_ns,
                to_ns: from_ns.max(at_ns),
            });
        }
        self.last_ns = self.last_ns.max(at_ns);
    }

    /// A fault has a line when it begins and another one when it is over, which then holds. A crash that nobody
    /// noticed has the same line twice.
    fn fault(&mut self, trial: Trial) {
        let of = |known: &&mut Trial| (known.activated_ns, known.instance) == (trial.activated_ns, trial.instance);
        match self.trace.faults.iter_mut().rev().find(of) {
            Some(known) => *known = Trial { over: true, ..trial },
            None => self.trace.faults.push(trial),
        }
    }

    fn enter(&mut self, at_ns: u64, instance: ReplicaId, evidence: Evidence) -> Result<(), String> {
        let instance = self.known(instance)?;
        self.on(at_ns);
        self.trace.entries.push(Entry {
            at_ns,
            instance,
            evidence,
        });
        Ok(())
    }

    fn done(mut self) -> Result<Trace, String> {
        if self.trace.entries.is_empty() {
            return Err("holds no evidence, only its first lines: record for longer".to_owned());
        }
        self.trace.entries.sort_by_key(|entry| entry.at_ns);
        self.trace.verdicts.sort_by_key(|turn| turn.at_ns);
        self.trace.stalls.sort_by_key(|stall| stall.from_ns);
        self.trace.faults.sort_by_key(|trial| trial.activated_ns);
        Ok(self.trace)
    }
}

/// The instant of a first line.
const fn began_ns(line: &TraceLine) -> u64 {
    match line {
        TraceLine::Begin { mono_ns, .. } => *mono_ns,
        _ => 0,
    }
}

fn begin(line: &TraceLine) -> Result<Begin, String> {
    let TraceLine::Begin {
        schema,
        replicas,
        detector,
        interval_ms,
        timeout_ms,
        late_floor_ms,
        late_cap_ms,
        lag_budget_ms,
        ..
    } = *line
    else {
        return Err("a trace starts with a line of type \"begin\"".to_owned());
    };
    if schema != SCHEMA {
        return Err(format!(
            "this trace has schema {schema}, this program reads {SCHEMA}: use the program that recorded it"
        ));
    }
    if !matches!(replicas, 3 | 5 | 7) {
        return Err(format!("a system has 3, 5 or 7 replicas, not {replicas}"));
    }
    if late_floor_ms > late_cap_ms || interval_ms == 0 {
        return Err("the parameters of its health checks contradict one another".to_owned());
    }
    Ok(Begin {
        replicas,
        detector,
        interval_ms,
        timeout_ms,
        late_floor_ms,
        late_cap_ms,
        lag_budget_ms,
    })
}

#[cfg(test)]
mod tests;
