//! Several faults at a time.

use std::time::Duration;

use proptest::prelude::*;
use tolerancia_wire::fault::MAX_FAULTS;

use super::*;

async fn change(switch: &FaultSwitch, method: &str, body: Value) -> FaultState {
    let (status, _, answer) = ask(switch, method, "/fault", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let state: FaultState = serde_json::from_value(answer).unwrap();
    assert_eq!(state.active.as_ref(), state.faults.last());
    state
}

async fn add(switch: &FaultSwitch, spec: Value) -> FaultState {
    change(switch, "POST", spec).await
}

fn names(faults: &[ActiveFault]) -> Vec<&'static str> {
    faults.iter().map(|active| active.spec.fault.name()).collect()
}

/// Status of an answer and how long it took.
async fn timed(switch: &FaultSwitch, uri: &str) -> (u16, Duration) {
    let start = tokio::time::Instant::now();
    let (status, _) = get_json(switch, uri).await;
    (status, start.elapsed())
}

fn lies(answer: &Value, truth: &ReplicaProduct) -> bool {
    let said: ReplicaProduct = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(said.versions.len(), truth.versions.len());
    let differ = said.versions.iter().zip(&truth.versions);
    let wrong = differ.filter(|(said, truth)| said.stock != truth.stock).count();
    assert!(wrong == 0 || wrong == truth.versions.len(), "{said:?}");
    wrong > 0
}

#[tokio::test]
async fn put_replaces_all_post_adds_one_delete_ends_all() {
    let switch = enabled();
    let one = change(&switch, "PUT", json!({"fault": "latency", "latency_ms": 1200})).await;
    assert_eq!((names(&one.faults), one.ended.len()), (vec!["latency"], 0));

    let two = add(&switch, json!({"fault": "incorrect", "product": "PROD-001"})).await;
    assert_eq!((names(&two.faults), two.ended.len()), (vec!["latency", "incorrect"], 0));
    // The first is the same as before, not injected anew.
    assert_eq!(two.faults[0], one.faults[0]);
    assert!(two.faults[1].activated_at.mono_ns > one.faults[0].activated_at.mono_ns);
    let (_, shown) = get_json(&switch, "/fault").await;
    assert_eq!(serde_json::from_value::<FaultState>(shown).unwrap(), two);

    let list = json!({"faults": [{"fault": "stale"}, {"fault": "intermittent", "scope": "health"}]});
    let both = change(&switch, "PUT", list).await;
    assert_eq!(names(&both.faults), ["stale", "intermittent"]);
    assert_eq!(both.faults[0].activated_at, both.faults[1].activated_at);
    assert_eq!(both.ended, two.faults);
    assert_eq!(both.cleared_at, None);

    let (_, _, cleared) = ask(&switch, "DELETE", "/fault", None).await;
    let cleared: FaultState = serde_json::from_value(cleared).unwrap();
    assert_eq!((cleared.active, cleared.faults.len()), (None, 0));
    assert_eq!(cleared.ended, both.faults);
    assert!(cleared.cleared_at.is_some());
}

#[tokio::test]
async fn the_same_fault_again_replaces_itself_and_says_so() {
    let switch = enabled();
    let slow = |ms: u64, scope: &str| json!({"fault": "latency", "latency_ms": ms, "scope": scope});
    let first = add(&switch, slow(100, "queries")).await;
    add(&switch, slow(200, "health")).await;
    let again = add(&switch, slow(300, "queries")).await;
    assert_eq!(again.ended, first.faults);
    let means: Vec<_> = again.faults.iter().map(|active| active.spec.fault.clone()).collect();
    let latency = |ms| Fault::Latency { latency_ms: Some(ms) };
    assert_eq!(means, [latency(200), latency(300)]);
    let lie = |product: &str| json!({"fault": "incorrect", "product": product});
    add(&switch, lie("PROD-001")).await;
    let other = add(&switch, lie("PROD-002")).await;
    assert_eq!((other.faults.len(), other.ended.len()), (4, 0));
    let same = add(&switch, lie("PROD-001")).await;
    assert_eq!((same.faults.len(), same.ended), (4, vec![other.faults[2].clone()]));
}

#[tokio::test]
async fn what_is_refused_changes_nothing_of_a_combination() {
    let switch = enabled();
    let product = |n: usize| json!({"fault": "incorrect", "product": format!("P-{n}")});
    let lies: Vec<_> = (0..MAX_FAULTS).map(product).collect();
    let before = change(&switch, "PUT", json!({"faults": lies.clone()})).await;
    assert_eq!(before.faults.len(), 8);
    let nine: Vec<_> = (0..=MAX_FAULTS).map(product).collect();
    for (method, status, body) in [
        ("POST", 422, json!({"fault": "stale"})),
        ("POST", 422, json!({"fault": "stale", "scope": "queries"})),
        ("POST", 422, json!({"fault": "intermittent", "probability": 2})),
        ("POST", 400, json!({"fault": "earthquake"})),
        ("POST", 400, json!({"fault": "stale", "when": "now"})),
        ("POST", 400, json!({"faults": [{"fault": "stale"}]})),
        ("POST", 400, json!([])),
        ("PUT", 422, json!({"faults": nine})),
        ("PUT", 422, json!({"faults": []})),
        ("PUT", 422, json!({"faults": [{"fault": "stale"}, {"fault": "stale"}]})),
        ("PUT", 422, json!({"faults": [product(1), product(1)]})),
        (
            "PUT",
            422,
            json!({"faults": [{"fault": "stale"}, {"fault": "latency", "latency_ms": 0}]}),
        ),
        (
            "PUT",
            422,
            json!({"faults": [{"fault": "stale"}, {"fault": "crash", "scope": "health"}]}),
        ),
        (
            "PUT",
            400,
            json!({"faults": [{"fault": "stale"}, {"fault": "earthquake"}]}),
        ),
        ("PUT", 400, json!({"faults": [{"fault": "stale", "when": "now"}]})),
        ("PUT", 400, json!({"faults": [{"faults": []}]})),
        ("PUT", 400, json!({"faults": [{"fault": "stale"}], "scope": "health"})),
        ("PUT", 400, json!({"faults": {"fault": "stale"}})),
        ("PUT", 400, json!({"faults": null})),
        ("PUT", 400, json!({"faults": "stale"})),
    ] {
        let (got, headers, answer) = ask(&switch, method, "/fault", Some(body.clone())).await;
        assert_eq!(got, status, "{method} {body}: {answer}");
        assert_eq!(headers["content-type"], "application/problem+json", "{method} {body}");
        let (_, now) = get_json(&switch, "/fault").await;
        assert_eq!(
            serde_json::from_value::<FaultState>(now).unwrap(),
            before,
            "{method} {body}"
        );
    }
    assert!(*switch.consuming().borrow());
    // Where one makes room for itself there is room.
    let again = add(&switch, product(3)).await;
    assert_eq!((again.faults.len(), again.ended.len()), (8, 1));
}

#[tokio::test(start_paused = true)]
async fn slow_health_goes_with_wrong_queries() {
    let switch = enabled();
    let list = json!({"faults": [
        {"fault": "latency", "latency_ms": 1000, "scope": "health"},
        {"fault": "incorrect", "product": "PROD-001"},
        {"fault": "incorrect", "product": "PROD-002", "scope": "queries"},
    ]});
    change(&switch, "PUT", list).await;
    let (status, took) = timed(&switch, "/health").await;
    assert_eq!(status, 200);
    assert!((800..=1201).contains(&took.as_millis()), "{took:?}");
    for name in ["PROD-001", "PROD-002"] {
        let (status, took) = timed(&switch, &format!("/inventory/{name}")).await;
        assert_eq!((status, took), (200, Duration::ZERO));
        let (_, answer) = get_json(&switch, &format!("/inventory/{name}")).await;
        assert!(lies(&answer, &product(name)), "{name}");
    }
    // Both lies are in one answer, and they are the same as in the answers about one product.
    let (_, all) = get_json(&switch, "/inventory").await;
    for (n, name) in ["PROD-001", "PROD-002"].into_iter().enumerate() {
        let one = get_json(&switch, &format!("/inventory/{name}")).await.1;
        assert_eq!(all["products"][n], one, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_health_goes_with_slow_queries() {
    let switch = enabled();
    add(
        &switch,
        json!({"fault": "latency", "latency_ms": 1000, "scope": "queries"}),
    )
    .await;
    add(
        &switch,
        json!({"fault": "intermittent", "probability": 1, "scope": "health"}),
    )
    .await;
    assert_eq!(timed(&switch, "/health").await, (500, Duration::ZERO));
    let (status, took) = timed(&switch, "/inventory").await;
    assert_eq!(status, 200);
    assert!((800..=1201).contains(&took.as_millis()), "{took:?}");
}

/// In whatever order they were injected: sleep, then fail, and only what does not fail can be a lie.
#[tokio::test(start_paused = true)]
async fn the_order_at_an_answer_is_fixed() {
    let slow = json!({"fault": "latency", "latency_ms": 1000});
    let failing = json!({"fault": "intermittent", "probability": 0.5});
    let lying = json!({"fault": "incorrect", "product": "PROD-001"});
    for order in [
        [&slow, &failing, &lying],
        [&lying, &failing, &slow],
        [&failing, &lying, &slow],
    ] {
        let switch = enabled();
        for spec in order {
            add(&switch, spec.clone()).await;
        }
        let (mut failed, mut lied) = (0, 0);
        for _ in 0..60 {
            let start = tokio::time::Instant::now();
            let (status, answer) = get_json(&switch, "/inventory/PROD-001").await;
            assert!((800..=1201).contains(&start.elapsed().as_millis()), "{status}");
            match status {
                500 => failed += 1,
                status => {
                    assert_eq!(status, 200);
                    assert!(lies(&answer, &product("PROD-001")));
                    lied += 1;
                }
            }
        }
        // 30 ± 4 (one standard deviation) each: six of them.
        assert!(failed >= 6 && lied >= 6, "{failed} failed, {lied} lied");
    }
}

/// A fault of all answers and one of a part of them: both touch that part.
#[tokio::test(start_paused = true)]
async fn scopes_that_overlap_add_up() {
    let switch = enabled();
    add(&switch, json!({"fault": "latency", "latency_ms": 1000})).await;
    add(
        &switch,
        json!({"fault": "latency", "latency_ms": 500, "scope": "health"}),
    )
    .await;
    let (_, queries) = timed(&switch, "/inventory").await;
    assert!((800..=1201).contains(&queries.as_millis()), "{queries:?}");
    let (_, health) = timed(&switch, "/health").await;
    assert!((1200..=1801).contains(&health.as_millis()), "{health:?}");
}

#[tokio::test]
async fn consumption_stops_while_any_fault_stops_it() {
    let switch = enabled();
    let consuming = switch.consuming();
    let is_on = || *consuming.borrow();
    add(&switch, json!({"fault": "stale"})).await;
    add(&switch, json!({"fault": "intermittent", "probability": 0.1})).await;
    add(&switch, json!({"fault": "stale"})).await;
    assert!(!is_on());
    assert_eq!(
        names(&change(&switch, "PUT", json!({"fault": "latency"})).await.faults),
        ["latency"]
    );
    assert!(is_on());
    add(&switch, json!({"fault": "stale"})).await;
    assert!(!is_on());
    ask(&switch, "DELETE", "/fault", None).await;
    assert!(is_on());
}

/// A signal strikes only if its very activation is there still, whatever else is.
#[tokio::test]
async fn a_signal_is_withdrawn_with_its_fault_and_with_no_other() {
    let switch = enabled();
    let crash = |switch: &FaultSwitch| {
        let spec = serde_json::from_value(json!({"fault": "crash"})).unwrap();
        let active = Active::new(spec, Stamp::now());
        let mut set = switch.lock();
        *set = set.with(Arc::clone(&active)).unwrap();
        active
    };
    let first = crash(&switch);
    add(&switch, json!({"fault": "latency"})).await;
    assert!(still(&switch, &first));
    let second = crash(&switch);
    assert!(!still(&switch, &first) && still(&switch, &second));
    change(&switch, "PUT", json!({"fault": "latency"})).await;
    assert!(!still(&switch, &second));
}

/// The layer's plans say what the scopes say, and nothing where nothing is to be done.
#[tokio::test]
async fn no_plan_where_no_answer_is_touched() {
    let switch = enabled();
    let touched = |switch: &FaultSwitch| [true, false].map(|health| switch.touching(health).is_some());
    assert_eq!(touched(&switch), [false, false]);
    for (spec, expected) in [
        (json!({"fault": "stale"}), [false, false]),
        (json!({"fault": "incorrect", "product": "P"}), [false, true]),
        (json!({"fault": "latency", "scope": "health"}), [true, false]),
        (json!({"fault": "intermittent", "scope": "queries"}), [false, true]),
        (json!({"fault": "latency"}), [true, true]),
    ] {
        change(&switch, "PUT", spec.clone()).await;
        assert_eq!(touched(&switch), expected, "{spec}");
    }
    ask(&switch, "DELETE", "/fault", None).await;
    assert_eq!(touched(&switch), [false, false]);
}

proptest! {
    /// Whatever is added: at most eight, none of which replaces another, and each is there or was told to have ended.
    #[test]
    fn a_set_is_bounded_and_accounts_for_everything(kinds in prop::collection::vec(0usize..24, 0..40)) {
        let spec = |kind: usize| -> FaultSpec {
            let scope = ["all", "queries", "health"][kind % 3];
            let spec = match kind / 3 {
                0 => json!({"fault": "stale"}),
                1 | 2 => json!({"fault": "latency", "scope": scope}),
                3 => json!({"fault": "intermittent", "scope": scope}),
                product => json!({"fault": "incorrect", "product": format!("P-{product}-{scope}")}),
            };
            serde_json::from_value(spec).unwrap()
        };
        let mut set = ActiveSet::default();
        let (mut added, mut ended) = (0, 0);
        for kind in kinds {
            let new = Active::new(spec(kind), Stamp::now());
            match set.with(Arc::clone(&new)) {
                Ok(next) => {
                    added += 1;
                    ended += set.gone_in(&next).len();
                    set = next;
                    prop_assert!(set.has(&new));
                }
                Err(_) => prop_assert_eq!(set.told().len(), MAX_FAULTS),
            }
            let told = set.told();
            prop_assert!(told.len() <= MAX_FAULTS);
            prop_assert_eq!(told.len(), added - ended);
            for (n, one) in told.iter().enumerate() {
                prop_assert!(told[..n].iter().all(|other| !one.spec.replaces(&other.spec)));
            }
        }
    }
}

fn still(switch: &FaultSwitch, active: &std::sync::Arc<super::super::Active>) -> bool {
    switch.if_still(active, || ()).is_some()
}
