//! What faults do, and what nobody learns about them.

use std::time::Duration;

use tolerancia_wire::status::{ReasonKind, Verdict};
use tolerancia_wire::topic;

use crate::harness::{System, Traffic, Truth, eventually};

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
        (&["stale"], false),
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

async fn off(system: &System, number: u8) {
    eventually("the replica is OFF", async || {
        let status = system.status().await;
        (status.instances[usize::from(number) - 1].status == Verdict::Off).then_some(())
    })
    .await;
}

/// The words of all health answers. A replica that does not answer says nothing.
async fn words_of_health(system: &System) -> Vec<String> {
    let http = tolerancia_lab::http::client(Duration::from_secs(2));
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
