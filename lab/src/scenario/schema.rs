//! The form of a scenario file as a JSON schema, draft 2020-12, for editors and for programs that write scenarios.
//!
//! It is derived from the tables that the file is read into, so that it knows their keys and descriptions. What one key
//! says about another (that a crash has no `duration_ms`) it does not know: `tolerancia scenario check` does.

use serde_json::{Value, json};

use super::file::File;

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    tidy(&mut schema);
    schema
}

/// What is optional may be left out; null, which the derivation allows instead, is nothing that TOML can say. The width of
/// a number in this program, and where its source breaks a line, is nobody's business.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("format");
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    // What is said of the key is more to the point than what is said of its kind.
                    for (key, value) in one {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
