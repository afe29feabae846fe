//! Files in which something else stands: nothing panics, whatever they say.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::super::*;
use super::world::{World, read, rewrite};
use crate::comparison::{self, Options};
use crate::report;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[]])),
        any::<bool>().prop_map(Value::from),
        select(vec![0, 1, u64::MAX, i64::MAX as u64, 1 << 53, 60_000_000_000]).prop_map(Value::from),
        select(vec![-1, i64::MIN]).prop_map(Value::from),
        select(vec![1e308, -1e308, 5e-324, -0.0, 0.5, 1e15]).prop_map(Value::from),
        select(vec![
            "",
            "1",
            "255",
            "crash",
            "pass",
            "ON",
            "accrual",
            "9999-12-31T23:59:59Z",
            "-009999-01-02T00:00:00Z",
            "x\0y"
        ])
        .prop_map(Value::from),
    ]
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the node at this place, counted from the outside in; or takes it away.
fn change(value: &mut Value, place: &mut usize, new: Option<&Value>) -> bool {
    fn met(place: &mut usize) -> bool {
        *place = place.wrapping_sub(1);
        *place == usize::MAX
    }
    match value {
        Value::Array(items) => {
            for at in 0..items.len() {
                if met(place) {
                    match new {
                        Some(new) => items[at] = new.clone(),
                        None => drop(items.remove(at)),
                    }
                    return true;
                }
                if change(&mut items[at], place, new) {
                    return true;
                }
            }
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if met(place) {
                    match new {
                        Some(new) => drop(members.insert(name, new.clone())),
                        None => drop(members.remove(&name)),
                    }
                    return true;
                }
                if members.get_mut(&name).is_some_and(|member| change(member, place, new)) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

/// Where, and what then stands there.
type Changes = Vec<(Index, Option<Value>)>;

fn changes() -> impl Strategy<Value = Changes> {
    prop::collection::vec((any::<Index>(), prop::option::weighted(0.9, value())), 1..4)
}

fn changed(mut value: Value, changes: &Changes) -> Value {
    for (place, new) in changes {
        let mut at = place.index(count(&value));
        change(&mut value, &mut at, new.as_ref());
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_report_is_judged_compared_and_drawn_or_refused(changes in changes()) {
        let (dir, _) = World::written();
        let path = dir.path().join("report.json");
        let whole = report::read(dir.path()).unwrap();
        let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::write(&path, changed(report, &changes).to_string()).unwrap();
        let _ = verify(dir.path());
        if let Ok(report) = report::read(dir.path()) {
            let options = Options { names: ["a".to_owned(), "b".to_owned()], tolerance: 10.0, seed: 1 };
            for (a, b) in [(&whole, &report), (&report, &whole), (&report, &report)] {
                if let Ok(compared) = comparison::compare(a, b, &options) {
                    let _ = comparison::render(&compared);
                }
            }
            report::redraw(dir.path(), &report).unwrap();
        }
    }

    #[test]
    fn a_changed_line_is_judged_or_refused(
        name in select(vec![EVENTS, ANSWERS, LOG]),
        line in any::<Index>(),
        changes in changes(),
        spoil in prop::option::weighted(0.2, (any::<Index>(), any::<u8>())),
    ) {
        let (dir, _) = World::written();
        let mut lines = read(dir.path(), name);
        let at = line.index(lines.len());
        let parsed: Value = serde_json::from_str(&lines[at]).unwrap();
        let mut text = changed(parsed, &changes).to_string().into_bytes();
        if let Some((place, byte)) = spoil {
            let place = place.index(text.len());
            text[place] = byte;
        }
        lines[at] = String::from_utf8_lossy(&text).replace('\n', " ");
        rewrite(dir.path(), name, &lines);
        let _ = verify(dir.path()).map(|verified| verified.to_string());
    }
}
