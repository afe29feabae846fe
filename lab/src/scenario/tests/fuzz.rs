//! Files that are no scenarios, and files that nearly are: an error has a place and words, and nothing panics.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// What is shipped.
fn real() -> impl Strategy<Value = Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut files: Vec<Vec<u8>> = files.collect();
    files.sort();
    select(files)
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
    /// In the place of what stands behind one of the `=`.
    Value(Index, &'static str),
    /// One line twice.
    Line(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    let values = select(vec![
        "-1",
        "0",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999",
        "1e308",
        "nan",
        "-inf",
        "1.5",
        "''",
        "'crash'",
        "true",
        "[]",
        "{}",
        "[[[]]]",
        "[{}]",
        "{ a = 1 }",
        "2026-01-01T00:00:00Z",
        "'random'",
        "\"\\u0000\"",
        "7",
    ]);
    prop_oneof![
        2 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Cut(from, to)),
        1 => (place(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        6 => (place(), values).prop_map(|(at, value)| Change::Value(at, value)),
        1 => place().prop_map(Change::Line),
    ]
}

impl Change {
    fn apply(&self, text: &mut Vec<u8>) {
        let length = text.len();
        match self {
            _ if length == 0 => {}
            Self::Byte(at, byte) => text[at.index(length)] = *byte,
            Self::Cut(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                text.drain(from.min(to)..from.max(to));
            }
            Self::Insert(at, bytes) => {
                let at = at.index(length);
                text.splice(at..at, bytes.iter().copied());
            }
            Self::Value(at, value) => {
                let places: Vec<usize> = (0..length).filter(|place| text[*place] == b'=').collect();
                if !places.is_empty() {
                    let from = places[at.index(places.len())] + 1;
                    let ends = |byte: &u8| matches!(byte, b'\n' | b',' | b'}');
                    let length = text[from..].iter().position(ends).unwrap_or(text.len() - from);
                    text.splice(from..from + length, value.bytes());
                }
            }
            Self::Line(at) => {
                let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                let mut twice = lines.clone();
                let at = at.index(lines.len());
                twice.insert(at, lines[at]);
                *text = twice.concat();
            }
        }
    }
}

/// It is a scenario, which can be written and read again, or an error that says where and what.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    match file::read("x.toml", bytes) {
        Ok(scenario) => {
            let _ = (
                scenario.names(),
                scenario.estimate(scenario.pace(true)),
                scenario.estimate(scenario.pace(false)),
            );
            let text = scenario.to_toml();
            prop_assert_eq!(
                &file::parse("x.toml", &text).map_err(|error| TestCaseError::fail(error.to_string()))?,
                &scenario
            );
        }
        Err(ScenarioError::Wrong {
            line, column, message, ..
        }) => {
            let text = String::from_utf8_lossy(bytes);
            prop_assert!(
                line >= 1 && column >= 1 && line <= text.matches('\n').count() + 1,
                "{}:{}",
                line,
                column
            );
            prop_assert!(message.len() > 5, "{message:?}");
        }
        Err(other) => prop_assert!(false, "{other}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_changed_scenario_is_one_or_is_refused_with_its_place(
        mut text in real(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        for change in &changes {
            change.apply(&mut text);
        }
        check(&text)?;
    }

    #[test]
    fn noise_is_refused_with_its_place(noise in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,300}") {
        check(&noise)?;
        check(text.as_bytes())?;
    }
}

/// A reader that goes down as deep as its text does would overflow its stack: that ends a process, and no test could tell.
#[test]
fn depth_is_refused_like_anything_else() {
    for depth in [100, 10_000, 100_000] {
        for (open, close) in [("[", "]"), ("{ a = ", "}"), ("[{ a = ", "}]")] {
            let text = format!("name = 'x'\nfaults = {}1{}", open.repeat(depth), close.repeat(depth));
            check(text.as_bytes()).unwrap();
        }
        let dotted = format!("{}b = 1", "a.".repeat(depth));
        check(dotted.as_bytes()).unwrap();
        check(format!("[{}]", dotted.replace("b = 1", "b")).as_bytes()).unwrap();
    }
}
