//! The laboratory: load, faults, measurements, and the judgement of what was measured.
//!
//! | module | job |
//! | --- | --- |
//! | [`load`] | requests on a schedule that waits for nobody, and their latencies |
//! | [`scenario`] | what an experiment does, as a file |
//! | [`experiment`] | carries a scenario out and always cleans up |
//! | [`oracle`] | replays the log and compares it with everything clients were told |
//! | [`simulation`] | the live rules on a virtual clock, and recorded traces |
//! | [`kills`] | replicas killed at random moments, and whether each restart ends equal |
//! | [`statistics`] | quantiles, tests, and their uncertainty |
//! | [`torture`] | random faults under random load, and whether anything was lost or wrong |
//! | [`comparison`] | two experiments side by side |
//! | [`console`] | prints, even if nobody reads |
//! | [`report`] | verdict, objectives and tables, for machines and for people |
//! | [`archive`] | the files of an experiment, and the oracle run again from them |
//!
//! Nothing here takes part in detection: the laboratory reads verdicts from the monitor's own events, and
//! the log from Kafka, as any outsider could.

pub mod archive;
pub mod comparison;
pub mod console;
pub mod experiment;
pub mod kills;
pub mod load;
pub mod oracle;
pub mod report;
pub mod scenario;
pub mod simulation;
pub mod statistics;
pub mod torture;
mod ui;
