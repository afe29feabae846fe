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
}

impl Builder {
    fn new(first: Option<TraceLine>) -> Result<Self, String> {
        let Some(line) = first else {
            return Err("is empty".to_owned());
        };
        Ok(Self {
            last_ns: 0,
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
                let begin = begin(&line)?;
                if begin.replicas != self.trace.begin.replicas {
                    return Err("another system begins here: use one trace per system".to_owned());
                }
                // The monitor was started again: what it knew before is gone.
                self.trace.tears.push(self.last_ns);
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
                failed,
                lies,
                ..
            } => {
                let delay_ns = at_ns.checked_sub(made_ns);
                self.trace
                    .report_delays_ns
                    .extend(delay_ns.filter(|delay_ns| *delay_ns <= MOST_DELAY_NS));
                let lies = lies > 0;
                self.enter(
                    at_ns,
                    instance,
                    Evidence::Report {
                        good,
                        good_first,
                        late,
                        failed,
                        lies,
                    },
                )?;
            }
            TraceLine::Verdict {
                at_ns, instance, on, ..
            } => {
                let instance = self.known(instance)?;
                self.last_ns = self.last_ns.max(at_ns);
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
                self.trace.faults.push(Trial {
                    activated_ns,
                    cleared_ns,
                    detected_ns,
                    instance,
                    faults,
                    detector,
                });
            }
            TraceLine::Lost { .. } => self.trace.tears.push(self.last_ns),
        }
        Ok(())
    }

    fn enter(&mut self, at_ns: u64, instance: ReplicaId, evidence: Evidence) -> Result<(), String> {
        let instance = self.known(instance)?;
        self.last_ns = self.last_ns.max(at_ns);
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
        self.trace.tears.sort_unstable();
        Ok(self.trace)
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_core::detector::Seen;

    use super::super::tests::{MS, check, id, report};
    use super::*;

    const BEGIN: &str = r#"{"type":"begin","schema":1,"at":"2026-01-01T00:00:00.000000Z","mono_ns":1,"replicas":3,"detector":"accrual","interval_ms":200,"timeout_ms":1000,"late_floor_ms":50,"late_cap_ms":200,"lag_budget_ms":1000}"#;

    fn parse(text: &str) -> Result<Trace, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn lines_are_sorted_by_time_and_kept_by_kind() {
        let lines = [
            BEGIN,
            r#"{"type":"load","queries_rps":50.0,"orders_rps":10.0}"#,
            r#"{"type":"check","at_ns":8000000,"instance":"2","seen":"late"}"#,
            r#"{"type":"check","at_ns":5000000,"instance":"1","seen":"good","took_us":900}"#,
            r#"{"type":"report","at_ns":9000000,"made_ns":3000000,"instance":"3","from":"voter-svc","good":7,"late":1,"failed":2,"lies":0}"#,
            r#"{"type":"verdict","at_ns":9500000,"instance":"3","on":false,"kind":"late"}"#,
            r#"{"type":"stall","at_ns":9000000,"for_ns":4000000}"#,
            r#"{"type":"lost","lines":3}"#,
            r#"{"type":"fault","activated_ns":1000000,"detected_ns":2000000,"instance":"1","faults":[{"fault":"crash"}],"detector":"accrual"}"#,
        ];
        let trace = parse(&(lines.join("\n") + "\n")).unwrap();
        assert_eq!(
            trace.entries,
            [
                check(5, 1, Seen::Good),
                check(8, 2, Seen::Late),
                report(9, 3, [7, 1, 2])
            ]
        );
        assert_eq!(trace.load, Some([50.0, 10.0]));
        assert_eq!(trace.report_delays_ns, [6 * MS]);
        assert_eq!((trace.tears, trace.stalls[0].from_ns), (vec![9_500_000], 5 * MS));
        assert_eq!((trace.verdicts[0].instance, trace.verdicts[0].on), (id(3), false));
        assert_eq!(trace.faults[0].detected_ns, Some(2 * MS));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = r#"{"type":"check","at_ns":8,"instance":"4","seen":"late"}"#;
        for (text, said) in [
            (String::new(), "is empty"),
            ("x\n".to_owned(), "line 1: this is no line of a trace"),
            (
                format!("{check}\n"),
                "line 1: a trace starts with a line of type \"begin\"",
            ),
            (format!("{BEGIN}\n"), "holds no evidence"),
            (format!("{BEGIN}\n{check}\n"), "line 2: there is no instance 4"),
            (format!("{BEGIN}\n{}", &check[..20]), "line 2: the line is cut off"),
            (
                format!("{BEGIN}\n{}\n", &check[..20]),
                "line 2: this is no line of a trace",
            ),
            (
                format!("{BEGIN}\n{}\n", "x".repeat(70_000)),
                "line 2: this is no line of a trace: it is longer",
            ),
            (
                BEGIN.replace("\"schema\":1", "\"schema\":2") + "\n",
                "line 1: this trace has schema 2",
            ),
            (
                BEGIN.replace("\"replicas\":3", "\"replicas\":4") + "\n",
                "line 1: a system has 3, 5 or 7",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(
            read(Path::new("/nowhere/trace"))
                .unwrap_err()
                .contains("/nowhere/trace cannot be read")
        );
    }
}
