//! Verdicts that hold: several instances at fault, faults that last, a monitor that stops or starts anew.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;
use tolerancia_wire::status::{Transition, Verdict};

use crate::harness::{System, Traffic, Truth, eventually, signal};

/// Changes of the verdict, newest first.
async fn turns(system: &System, number: u8) -> Vec<Transition> {
    let mut seen = system.failures(number).await;
    seen.retain(|change| change.from != change.to);
    seen
}

async fn is_off(system: &System, number: u8) {
    eventually("the instance is OFF", async || {
        let status = system.status().await;
        (status.instances[usize::from(number) - 1].status == Verdict::Off).then_some(())
    })
    .await;
}

/// The status code of a query that got no answer.
fn code(other: &str) -> Option<&str> {
    other.strip_prefix("query: ")?.split(' ').next()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_unverified_is_served_and_the_alarm_is_raised() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 50, 100);
    traffic.goes_on(50).await;
    for pair in [
        [["freeze", "--instance", "1"], ["latency", "--instance", "2"]],
        [["freeze", "--instance", "3"], ["freeze", "--instance", "2"]],
    ] {
        for fault in &pair {
            system.inject(fault).await;
        }
        let lost = eventually("the loss of the quorum", async || {
            system.status().await.quorum_lost.then_some(())
        });
        lost.await;
        let mut alarmed = false;
        for number in 1..=3 {
            alarmed |= turns(&system, number)
                .await
                .first()
                .is_some_and(|turn| turn.quorum_lost);
        }
        assert!(alarmed, "no transition says that the quorum was lost");
        // Votes that were under way when the verdict fell have ended by then. Clients ask all the while.
        sleep(Duration::from_millis(600)).await;
        let served = traffic.answers();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(traffic.answers(), served, "answers without a quorum");
        for [_, _, number] in &pair {
            system.inject(&["clear", "--instance", number]).await;
        }
        system.all_on().await;
        assert!(!system.status().await.quorum_lost);
        traffic.goes_on(50).await;
    }
    let told = traffic.stop().await;
    let refused: Vec<_> = told.others.iter().filter_map(|other| code(other)).collect();
    assert!(refused.iter().all(|code| *code == "503"), "{:?}", told.others);
    assert!(!refused.is_empty(), "the quorum was never missed");
    assert!(told.answers.iter().all(|answer| answer.votes.len() >= 2));
    system.holds(&told).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_stood_still_blames_nobody() {
    // Of all detectors this one is for silence: it must know whose silence it was.
    let system = System::up_with(|up| {
        up.env("DETECTOR", "phi");
    })
    .await;
    let traffic = Traffic::start(&system, 0, 50);
    for name in ["monitor-svc", "voter-svc"] {
        let pid = system.pid(name);
        signal(pid, Signal::STOP);
        sleep(Duration::from_secs(5)).await;
        signal(pid, Signal::CONT);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(system.pid(name), pid, "it was not restarted");
        for number in 1..=3 {
            let turns = turns(&system, number).await;
            assert!(turns.is_empty(), "after {name} stood still: {turns:#?}");
        }
    }
    traffic.stop().await;
    // It sees all the same.
    system.inject(&["freeze", "--instance", "2"]).await;
    is_off(&system, 2).await;
    system.inject(&["clear", "--instance", "2"]).await;
    system.all_on().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_survive_a_restart_of_the_monitor() {
    let system = System::up().await;
    system.inject(&["freeze", "--instance", "2"]).await;
    is_off(&system, 2).await;
    let before = turns(&system, 2).await;
    system.monitor_has_written().await;
    let old = system.pid("monitor-svc");
    signal(old, Signal::KILL);
    eventually("another monitor is up", async || {
        (system.pid("monitor-svc") != old).then_some(())?;
        let (status, _) = system.look(&format!("{}/health", system.monitor())).await?;
        (status == 200).then_some(())
    })
    .await;
    // Long enough for checks, evidence and a quarantine.
    sleep(Duration::from_secs(2)).await;
    let status = system.status().await;
    let verdicts: Vec<_> = status.instances.iter().map(|instance| instance.status).collect();
    assert_eq!(verdicts, [Verdict::On, Verdict::Off, Verdict::On]);
    assert_eq!(
        turns(&system, 2).await,
        before,
        "a restart is no news about an instance"
    );
    for number in [1, 3] {
        assert_eq!(turns(&system, number).await, []);
    }
    system.inject(&["clear", "--instance", "2"]).await;
    system.all_on().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_lasts_is_not_forgiven_while_it_does() {
    let system = System::up().await;
    let traffic = Traffic::start(&system, 0, 50);
    for (fault, most) in [
        (
            ["intermittent", "--instance", "3", "--probability", "0.1"].as_slice(),
            3,
        ),
        (&["incorrect", "--instance", "1", "--product", "PROD-001"], 1),
    ] {
        let number = fault[2];
        system.inject(fault).await;
        is_off(&system, number.parse().unwrap()).await;
        sleep(Duration::from_secs(10)).await;
        let turns = turns(&system, number.parse().unwrap()).await;
        assert!(turns.len() <= most, "{} turns: {turns:#?}", turns.len());
        system.inject(&["clear", "--instance", number]).await;
        system.all_on().await;
    }
    let told = traffic.stop().await;
    assert_eq!(told.others, [""; 0]);
    Truth::of(&system).await.confirms_answers(&told.answers);
    system.down().await;
}
