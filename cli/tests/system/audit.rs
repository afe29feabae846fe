//! The failure audit says how long detection and recovery took, and says the same as the report.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tolerancia_store::{AuditRow, Store, open_sqlite};
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Audit, AuditEntry};
use tolerancia_wire::fault::FaultState;
use tolerancia_wire::status::{Transition, Verdict};
use tolerancia_wire::time::rfc3339;

use crate::harness::{Run, System, eventually, signal};

const TOKEN: &str = "secret";

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_knows_how_long_detection_and_recovery_took() {
    let system = System::up_with(|up| {
        up.env("FAULT_TOKEN", TOKEN);
    })
    .await;
    // A fault that is cleared, and one that nobody clears.
    let activated = inject(&system, &["latency", "--instance", "2", "--latency", "1200"]).await;
    let activated = activated.active.unwrap().activated_at;
    let slow = verdict(&system, 2, activated, Verdict::Off).await;
    let early = entry(&system, slow.seq, |entry| entry.ttd_ms.is_some()).await;
    assert_eq!(early.ttr_ms, None, "it is still slow");
    let cleared = inject(&system, &["clear", "--instance", "2"]).await.cleared_at.unwrap();
    let back = verdict(&system, 2, cleared, Verdict::On).await;
    has_times(&system, &slow, activated, &back).await;

    let activated = inject(&system, &["crash", "--instance", "1"]).await;
    let activated = activated.active.unwrap().activated_at;
    let dead = verdict(&system, 1, activated, Verdict::Off).await;
    let alive = verdict(&system, 1, dead.stamp, Verdict::On).await;
    has_times(&system, &dead, activated, &alive).await;

    // For people.
    let table = system.run(&["inject", "failures", "--instance", "1"]).await.code(0);
    table
        .says("TTD ms")
        .says(&format!("{:.1}", alive.stamp.ms_since(activated)));

    // In the database, and still there when another monitor reads it.
    let store = open_sqlite(&system.data_dir().join("tolerancia.db")).await.unwrap();
    let shown = audit(&system).await.unwrap();
    eventually("the database has what is shown", async || {
        let rows = store.transitions(None, 1000).await.unwrap();
        let same = |entry: &AuditEntry| rows.iter().any(|row| is_same(row, entry));
        shown.iter().all(same).then_some(())
    })
    .await;
    signal(system.pid("monitor-svc"), Signal::KILL);
    eventually("another monitor remembers", async || {
        let remembered = audit(&system).await?;
        let same = |entry| remembered.contains(entry);
        shown.iter().all(same).then_some(())
    })
    .await;
    system.steady().await;

    nobody_need_listen(&system).await;
    system.down().await;
}

/// Without an audit to tell, a fault is injected and cleared all the same.
async fn nobody_need_listen(system: &System) {
    let url = system.inventory(3);
    for elsewhere in [&["--monitor-url", "http://127.0.0.1:1"][..], &["--url", &url]] {
        for what in ["stale", "clear"] {
            let args = [&[what, "--instance", "3"], elsewhere].concat();
            let run = command(system, &args).await;
            let (lines, why) = (run.err.lines().count(), "the audit will not know");
            assert!(
                lines == 1 && run.err.contains(why) && run.err.contains("monitor"),
                "{run:#?}"
            );
        }
    }
    // A fault that was not there is no news.
    let run = command(
        system,
        &["clear", "--instance", "3", "--monitor-url", "http://127.0.0.1:1"],
    )
    .await;
    assert_eq!(run.err, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_what_the_report_says() {
    let system = System::up().await;
    let scenario = system.dir().join("scenario.toml");
    let faults = "faults = [{ fault = 'crash' }, { fault = 'latency' }, { fault = 'incorrect', product = 'PROD-001' }]";
    std::fs::write(
        &scenario,
        format!("name = 'audit'\ntrials = 2\nbaseline_s = 1.0\n{faults}\n"),
    )
    .unwrap();
    let out = system.dir().join("out");
    let mut command = system.command(&["experiment"]);
    command.arg("--scenario").arg(&scenario).arg("--out").arg(&out);
    let run = Run::of(command).await;
    let report = std::fs::read(out.join("report.json")).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["notes"], serde_json::json!([]), "{run:#?}");
    let store = open_sqlite(&system.data_dir().join("tolerancia.db")).await.unwrap();
    assert_eq!(agrees_with_the_report(&*store, &report).await, 6, "{run:#?}");
    an_interrupted_trial_is_told_too(&system).await;
    system.down().await;
}

/// The clean-up tells when the fault ended.
async fn an_interrupted_trial_is_told_too(system: &System) {
    system.steady().await;
    let before = audit(system).await.unwrap()[0].transition.seq;
    let scenario = system.dir().join("long.toml");
    let text = "name = 'long'\ntrials = 1\nbaseline_s = 1.0\nhold_ms = 60000\nfaults = [{ fault = 'freeze' }]\n";
    std::fs::write(&scenario, text).unwrap();
    let mut command = system.command(&["experiment"]);
    command.arg("--scenario").arg(&scenario);
    command.arg("--out").arg(system.dir().join("interrupted"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut experiment = command.spawn().unwrap();
    let off = eventually("the frozen instance is OFF", async || {
        let entries = audit(system).await?;
        let off = |turn: &Transition| turn.seq > before && turn.from == Verdict::On && turn.to == Verdict::Off;
        entries.into_iter().find(|entry| off(&entry.transition))
    })
    .await;
    assert_eq!(
        off.ttd_ms, None,
        "nobody told the monitor while the fault was to be detected"
    );
    signal(experiment.id().unwrap(), Signal::INT);
    assert_eq!(experiment.wait().await.unwrap().code(), Some(130));
    let off = entry(system, off.transition.seq, |entry| entry.ttr_ms.is_some()).await;
    assert!(off.ttd_ms <= off.ttr_ms, "{off:?}");
}

/// Checks that the failure audit in `store` has each time that is in `report`, the content of a `report.json`.
/// Returns the number of trials that were compared.
pub async fn agrees_with_the_report(store: &dyn Store, report: &Value) -> usize {
    let trials: Vec<&Value> = report["faults"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|fault| fault["trials_detail"].as_array().unwrap())
        .filter(|trial| !trial["detected_at"].is_null())
        .collect();
    for trial in &trials {
        let (detected_at, instance) = (
            trial["detected_at"].as_str().unwrap(),
            trial["instance"].as_str().unwrap(),
        );
        eventually(&format!("the audit has the times of {trial}"), async || {
            let rows = store.transitions(instance.parse().ok(), 100_000).await.unwrap();
            let off = rows.into_iter().find(|row| {
                let transition = &row.transition;
                transition.to == Verdict::Off && rfc3339(transition.stamp.at) == detected_at
            })?;
            let agrees = is_close(off.ttd_ms, trial["ttd_ms"].as_f64())
                && (trial["ttr_ms"].is_null() || is_close(off.ttr_ms, trial["ttr_ms"].as_f64()));
            agrees.then_some(())
        })
        .await;
    }
    trials.len()
}

/// Numbers that went through JSON may differ in their last digit.
fn is_close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-3,
        (a, b) => a == b,
    }
}

fn is_same(row: &AuditRow, entry: &AuditEntry) -> bool {
    row.transition == entry.transition && is_close(row.ttd_ms, entry.ttd_ms) && is_close(row.ttr_ms, entry.ttr_ms)
}

async fn command(system: &System, args: &[&str]) -> Run {
    let mut command = system.command(&[&["inject"], args].concat());
    command.env("FAULT_TOKEN", TOKEN);
    Run::of(command).await.code(0)
}

/// `tolerancia inject`, of which the audit must learn, and the replica's answer.
async fn inject(system: &System, args: &[&str]) -> FaultState {
    let run = command(system, &[args, &["--json"]].concat()).await;
    assert_eq!(run.err, "", "{run:#?}");
    serde_json::from_str(&run.out).unwrap()
}

/// The first such verdict on an instance at or after an instant.
async fn verdict(system: &System, number: u8, since: Stamp, to: Verdict) -> Transition {
    eventually(&format!("instance {number} is {to:?}"), async || {
        let seen = system.failures(number).await.into_iter().rev();
        let mut turns = seen.filter(|turn| turn.from != turn.to && turn.to == to);
        turns.find(|turn| turn.stamp.mono_ns >= since.mono_ns)
    })
    .await
}

/// What `GET /failures` says about all instances, if the monitor answers.
async fn audit(system: &System) -> Option<Vec<AuditEntry>> {
    let (_, body) = system
        .look(&format!("{}/failures?limit=1000", system.monitor()))
        .await?;
    Some(serde_json::from_value::<Audit>(body).ok()?.failures)
}

/// The entry with this number, once it is as it should be.
async fn entry(system: &System, seq: u64, wanted: impl Fn(&AuditEntry) -> bool) -> AuditEntry {
    eventually("the audit was told", async || {
        let mut entries = audit(system).await?.into_iter();
        entries.find(|entry| entry.transition.seq == seq && wanted(entry))
    })
    .await
}

async fn has_times(system: &System, off: &Transition, activated: Stamp, on: &Transition) {
    let entry = entry(system, off.seq, |entry| entry.ttr_ms.is_some()).await;
    let expected = |stamp: Stamp| Some(stamp.ms_since(activated));
    assert!(is_close(entry.ttd_ms, expected(off.stamp)), "{entry:?}");
    assert!(is_close(entry.ttr_ms, expected(on.stamp)), "{entry:?}");
}
