//! What faults do, and what nobody learns about them.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tolerancia_wire::fault::FaultState;
use tolerancia_wire::inventory::ReplicaProduct;
use tolerancia_wire::status::{ReasonKind, Verdict};
use tolerancia_wire::topic;

use crate::harness::{System, Traffic, Truth, eventually, signal};

/// Words that only who injects a fault may know.
const SECRET: [&str; 12] = [
    "fault",
    "faults",
    "faulty",
    "inject",
    "injected",
    "injection",
    "latency",
    "intermittent",
    "incorrect",
    "freeze",
    "frozen",
    "crash",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_convinces_nobody_and_is_found_out() {
    let system = System::up().await;
    system.order("PROD-001", 7).await;
    let traffic = Traffic::start(&system, 0, 50);
    system
        .inject(&["incorrect", "--instance", "2", "--product", "PROD-001"])
        .await;
    let lie = eventually("the liar is OFF", async || {
        let seen = system.failures(2).await;
        seen.into_iter().find(|change| change.to == Verdict::Off)
    })
    .await;
    assert_eq!(lie.reason.kind, ReasonKind::Dissent, "{lie:?}");
    let truth = system.stock("PROD-001").await;
    for part in [
        "PROD-001".to_owned(),
        format!("version {}", truth.version),
        "said available".to_owned(),
        format!(
            "agreed available {} reserved {}",
            truth.stock.available, truth.stock.reserved
        ),
    ] {
        assert!(lie.reason.text.contains(&part), "no {part:?} in {:?}", lie.reason.text);
    }
    assert_eq!(system.status().await.on, 2);
    system.inject(&["clear", "--instance", "2"]).await;
    system.all_on().await;

    let told = traffic.stop().await;
    assert!(told.others.is_empty(), "{:?}", told.others);
    assert!(!told.answers.is_empty());
    Truth::of(&system).await.confirms_answers(&told.answers);
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_detects_can_read_which_fault_is_injected() {
    let system = System::up().await;
    let traffic = Traffic::start(&system, 50, 50);
    for (fault, noticed) in [
        (&["latency"][..], true),
        (&["latency", "--scope", "queries"], true),
        (&["intermittent"], true),
        (&["incorrect"], true),
        (&["stale"], true),
        (&["freeze"], true),
    ] {
        let args = [fault, &["--instance", "1"]].concat();
        system.inject(&args).await;
        if noticed {
            off(&system, 1).await;
        }
        let mut words = words_of_health(&system).await;
        // Only here may it be said: being behind is also what an observer sees.
        words.retain(|word| SECRET.contains(&word.as_str()) || word == "stale");
        assert!(words.is_empty(), "{fault:?}: /health says {words:?}");
        system.inject(&["clear", "--instance", "1"]).await;
        system.steady().await;
    }
    traffic.stop().await;
    for topic in [
        topic::ERROR_QUEUE,
        topic::INSTANCE_STATUS,
        topic::INVENTORY_RESULTS,
        topic::REQUEST_METRICS,
    ] {
        let records = tolerancia_bus::read_all(&system.bus(), topic).await.unwrap();
        assert!(!records.is_empty(), "{topic} is empty, so nothing was tested");
        for record in records {
            let text = String::from_utf8(record.payload).unwrap();
            let said: Vec<_> = words(&text)
                .into_iter()
                .filter(|word| SECRET.contains(&word.as_str()))
                .collect();
            assert!(said.is_empty(), "{topic} says {said:?}: {text}");
        }
    }
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_has_several_faults() {
    let system = System::up().await;
    system.order("PROD-002", 3).await;
    let status = ["status", "--instance", "2"];
    let run = system
        .inject(&["latency", "--instance", "2", "--latency", "400", "--scope", "health"])
        .await;
    assert_eq!(run.err, "", "{run:#?}");
    let run = system
        .inject(&["incorrect", "--instance", "2", "--product", "PROD-002", "--add"])
        .await;
    assert_eq!(run.err, "", "{run:#?}");
    for run in [run, system.inject(&status).await] {
        run.says("2 faults")
            .says("latency of 400 ms ± 20 %, health checks only")
            .says("incorrect about PROD-002");
    }

    // Both are there: health is late, queries are in time and wrong.
    let url = system.inventory(2);
    let began = Instant::now();
    system.look(&format!("{url}/health")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(320), "{:?}", began.elapsed());
    let said: ReplicaProduct = system.get(&format!("{url}/inventory/PROD-002")).await;
    let truth = system.stock("PROD-002").await;
    assert_eq!(said.versions[0].version, truth.version);
    assert_ne!(said.versions[0].stock, truth.stock);
    off(&system, 2).await;
    assert_eq!(system.status().await.on, 2);

    // The same again takes its own place; what is told apart stays.
    let again = system
        .inject(&[
            "latency",
            "--instance",
            "2",
            "--latency",
            "600",
            "--scope",
            "health",
            "--add",
        ])
        .await;
    again.says("2 faults").says("in the place of latency of 400 ms");
    let json = system.inject(&[&status[..], &["--json"]].concat()).await;
    let state: FaultState = serde_json::from_str(&json.out).unwrap();
    let names: Vec<_> = state.faults.iter().map(|active| active.spec.fault.name()).collect();
    assert_eq!(names, ["incorrect", "latency"]);
    assert_eq!(state.active.as_ref(), state.faults.last());

    // Without --add they all end.
    let run = system.inject(&["intermittent", "--instance", "2"]).await;
    run.says("intermittent with probability 0.5 since")
        .says("in the place of incorrect");
    let run = system.inject(&["clear", "--instance", "2"]).await;
    assert_eq!(run.err, "", "{run:#?}");
    run.says("no fault since");
    system.inject(&status).await.says("no fault");
    system.steady().await;
    system.down().await;
}

/// A replica that reads its log no more says for how long, one that has nothing to read does not: neither in quiet
/// times nor while the broker is away.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_stopped_reading_is_idle() {
    let system = System::up().await;
    system.inject(&["stale", "--instance", "3"]).await;
    eventually("the replica that stopped reading is idle", async || {
        (idle_ms(&system, 3).await? >= 1500).then_some(())
    })
    .await;
    for number in [1, 2] {
        assert!(idle_ms(&system, number).await.unwrap() < 1000, "instance {number}");
    }
    system.inject(&["clear", "--instance", "3"]).await;
    eventually("it reads again", async || {
        (idle_ms(&system, 3).await? < 1000).then_some(())
    })
    .await;

    signal(system.pid("broker"), Signal::STOP);
    // Nothing marks the moment at which it would be wrong: it must stay right for a while.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        for number in 1..=3 {
            let idle = idle_ms(&system, number).await.unwrap();
            assert!(
                idle < 500,
                "instance {number} is idle for {idle} ms because of the broker"
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    signal(system.pid("broker"), Signal::CONT);
    system.steady().await;
    system.down().await;
}

async fn idle_ms(system: &System, number: u8) -> Option<u64> {
    let (_, health) = system.look(&format!("{}/health", system.inventory(number))).await?;
    health["idle_ms"].as_u64()
}

async fn off(system: &System, number: u8) {
    eventually("the replica is OFF", async || {
        let status = system.status().await;
        (status.instances[usize::from(number) - 1].status == Verdict::Off).then_some(())
    })
    .await;
}

/// The words of all health answers. A replica that does not answer says nothing.
async fn words_of_health(system: &System) -> Vec<String> {
    let http = tolerancia_client::http::client(Duration::from_secs(2));
    let mut all = Vec::new();
    for url in system.all() {
        if let Ok(answer) = http.get(format!("{url}/health")).send().await {
            all.extend(words(&format!("{:?}", answer.headers())));
            all.extend(words(&answer.text().await.unwrap_or_default()));
        }
    }
    all
}

fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_ascii_alphabetic())
        .map(str::to_lowercase)
        .collect()
}
