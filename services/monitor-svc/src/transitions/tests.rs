#![allow(clippy::unwrap_used)]

use futures_util::FutureExt as _;
use tolerancia_wire::status::{Reason, ReasonKind, Verdict};

use super::*;
use crate::state::MOST_TRANSITIONS;
use crate::tests::judge;

/// Publishes a transition with this number.
fn happen(shared: &Shared, seq: u64) {
    let status = shared.read(|view| view.status.instances[0].clone());
    let transition = Transition {
        seq,
        stamp: status.since,
        service: status.service.clone(),
        instance: status.instance,
        from: Verdict::On,
        to: Verdict::Off,
        phase: status.phase,
        reason: Reason::new(ReasonKind::Late, "because"),
        quorum_lost: false,
        quarantine_ms: None,
    };
    shared.transition(status, transition);
}

/// What is there without waiting.
fn ready(stream: &mut (impl Stream<Item = Transition> + Unpin)) -> Vec<u64> {
    let next = std::iter::from_fn(|| stream.next().now_or_never().flatten());
    next.map(|transition| transition.seq).collect()
}

#[tokio::test]
async fn a_listener_hears_what_happens_after_the_last_that_it_has_seen() {
    for (last, expected) in [
        (None, vec![6, 7]),
        (Some(0), vec![1, 2, 3, 4, 5, 6, 7]),
        (Some(3), vec![4, 5, 6, 7]),
        (Some(5), vec![6, 7]),
        // Of a monitor that is gone, with another clock.
        (Some(u64::MAX), vec![6, 7]),
    ] {
        let (judge, _dir) = judge();
        let shared = judge.shared;
        (1..=5).for_each(|seq| happen(&shared, seq));
        let mut listener = std::pin::pin!(follow(&shared, last));
        // Before it is asked for anything.
        happen(&shared, 6);
        let mut heard = ready(&mut listener);
        happen(&shared, 7);
        heard.extend(ready(&mut listener));
        assert_eq!(heard, expected, "{last:?}");
    }
}

#[tokio::test]
async fn a_listener_that_falls_behind_misses_nothing_and_hears_nothing_twice() {
    let (judge, _dir) = judge();
    let shared = judge.shared;
    happen(&shared, 1);
    let mut listener = std::pin::pin!(follow(&shared, Some(0)));
    let most = MOST_TRANSITIONS as u64;
    let mut next = 2;
    let mut heard = Vec::new();
    for burst in [10, 300, 1, most - 1, 257, 3] {
        (next..next + burst).for_each(|seq| happen(&shared, seq));
        next += burst;
        // In the middle of what it missed more happens.
        heard.push(listener.next().await.unwrap().seq);
        happen(&shared, next);
        next += 1;
        heard.extend(ready(&mut listener));
    }
    assert_eq!(heard, (1..next).collect::<Vec<_>>());
}
