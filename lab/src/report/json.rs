//! `report.json` as text.

use super::model::Report;

/// The report as `report.json` has it: indented, but lists of numbers on one line each, as there are many.
#[must_use]
pub fn json(report: &Report) -> String {
    let pretty = serde_json::to_string_pretty(report).expect("the report has only text keys");
    joined(&pretty)
}

/// Indented JSON, with lists of nothing but numbers, null, true and false on one line.
///
/// A line of indented JSON that ends with a bracket opens a list: text ends with a quotation mark, and line breaks
/// in it are escaped.
fn joined(pretty: &str) -> String {
    let mut text = String::with_capacity(pretty.len());
    let mut lines = pretty.lines().peekable();
    while let Some(line) = lines.next() {
        text.push_str(line);
        if line.ends_with('[') {
            let mut first = true;
            while let Some(item) = lines.next_if(|item| is_plain(item.trim_start())) {
                if !first {
                    text.push(' ');
                }
                text.push_str(item.trim_start());
                first = false;
            }
            if !first && let Some(end) = lines.next_if(|end| end.trim_start().starts_with(']')) {
                text.push_str(end.trim_start());
            }
        }
        if lines.peek().is_some() {
            text.push('\n');
        }
    }
    text
}

/// Whether an entry of a list is neither text nor made of others.
fn is_plain(item: &str) -> bool {
    item.starts_with(|c: char| c.is_ascii_digit() || "-ntf".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::joined;

    #[test]
    fn lists_of_numbers_take_a_line_and_others_do_not() {
        let value =
            json!({"a": [1, -2.5, null], "b": ["[", "1"], "c": [], "d": [[1], [2, 3]], "e": [1, "x"], "f": "["});
        let text = joined(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains("\n  \"a\": [1, -2.5, null],\n"), "{text}");
        assert!(text.contains("    [2, 3]\n"), "{text}");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[\\[\\],\\n 1-]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[\\[a]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn joining_lines_changes_nothing(value in any_json()) {
            let text = joined(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
