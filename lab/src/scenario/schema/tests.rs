#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::scenario::file;

fn parsed(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn validator() -> jsonschema::Validator {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn every_scenario_that_is_shipped_is_valid() {
    let validator = validator();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")).unwrap() {
        let path = entry.unwrap().path();
        let scenario = parsed(&std::fs::read_to_string(&path).unwrap());
        let wrong: Vec<String> = validator
            .iter_errors(&scenario)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

/// What can be said of one key alone, schema and reader say alike.
#[test]
fn the_schema_and_the_reader_agree() {
    let validator = validator();
    let top = |text: &str| format!("name = 'x'\nfaults = [{{ fault = 'stale' }}]\n{text}");
    let fault = |text: &str| format!("name = 'x'\nfaults = [{{ {text} }}]");
    let cases = [
        // Names and kinds.
        (top("trials = 1"), true),
        (top("trials = 1000\nbaseline_s = 1"), true),
        (top("trials = 0"), false),
        (top("trials = 1001"), false),
        (top("trials = 1.5"), false),
        (top("trials = 'x'"), false),
        (top("colour = 1"), false),
        (top("replicas = 5"), true),
        (top("replicas = 2"), false),
        (top("baseline_s = 86401"), false),
        (top("hold_ms = -1"), false),
        (top("settle_ms = 600001"), false),
        (top("detectors = ['phi', 'window']"), true),
        (top("detectors = []"), false),
        (top("detectors = ['phi', 'phi']"), false),
        (top("detectors = ['psychic']"), false),
        (top("[quick]\ntrials = 2"), true),
        (top("[quick]\ntrial = 2"), false),
        (
            top("[parameters]\nDETECTOR = 'phi'\nLATE_CAP_MS = 5\nACCRUAL_P1 = 0.5\nCATALOGUE = 'A=1'"),
            true,
        ),
        (top("[parameters]\nDETECTOR = 'psychic'"), false),
        (top("[parameters]\nLATE_CAP_MS = 0"), false),
        (top("[parameters]\nLATE_CAP_MS = '5'"), false),
        (top("[parameters]\nREPLICAS = 5"), false),
        (
            top("[load]\nqueries_rps = 0\norders_rps = 0.5\ncancel = 0\nramp_s = 1\nwarm_up_s = 2"),
            true,
        ),
        (top("[load]\nqueries_rps = -1"), false),
        (top("[load]\norders_rps = 0.05"), false),
        (top("[load]\norders_rps = 100001"), false),
        (top("[load]\ncancel = 1.01"), false),
        (top("[load]\nramp_s = 601"), false),
        (top("[load]\nproducts = 2"), true),
        (top("[load]\nproducts = ['A']"), true),
        (top("[load]\nproducts = { A = 2, B = 0.5 }"), true),
        (top("[load]\nproducts = 0"), false),
        (top("[load]\nproducts = []"), false),
        (top("[load]\nproducts = {}"), false),
        (top("[load]\nproducts = { A = 0 }"), false),
        (top("[load]\nproducts = true"), false),
        (top("[objectives]\nttd_max_ms = 5\nfalse_alarms = 1"), true),
        (top("[objectives]\nttd_ms = 5"), false),
        (top("[objectives]\nsuccess_rate = 1.5"), false),
        (top("[objectives]\ntransitions_max = -1"), false),
        ("faults = [{ fault = 'stale' }]".to_owned(), false),
        ("name = 'x'".to_owned(), false),
        ("name = ' '\nfaults = [{ fault = 'stale' }]".to_owned(), false),
        ("name = 5\nfaults = [{ fault = 'stale' }]".to_owned(), false),
        (fault("fault = 'flood'"), false),
        (fault("fault = 'latency', latency_ms = 0"), false),
        (fault("fault = 'latency', latency_ms = 60001"), false),
        (fault("fault = 'latency', latency_ms = 60000, scope = 'queries'"), true),
        (fault("fault = 'latency', scope = 'some'"), false),
        (fault("fault = 'intermittent', probability = 1.5"), false),
        (fault("fault = 'intermittent', probability = 0"), false),
        (fault("fault = 'incorrect', products = ['A', 'B']"), true),
        (fault("fault = 'incorrect', products = []"), false),
        (fault("fault = 'incorrect', product = ''"), false),
        (fault("fault = 'stale', instances = 7"), true),
        (fault("fault = 'stale', instances = 8"), false),
        (fault("fault = 'stale', instance = 7"), true),
        (fault("fault = 'stale', instance = 9"), false),
        (fault("fault = 'stale', instance = 'random'"), true),
        (fault("fault = 'stale', instance = 'first'"), false),
        (fault("fault = 'stale', phase = 60000"), true),
        (fault("fault = 'stale', phase = 'random'"), true),
        (fault("fault = 'stale', phase = -1"), false),
        (fault("fault = 'stale', duration_ms = 600000"), true),
        (fault("fault = 'stale', duration_ms = 0"), false),
        (fault("fault = 'stale', with = [{ fault = 'latency' }]"), true),
        (
            fault("fault = 'stale', with = [{ fault = 'latency', instance = 2 }]"),
            false,
        ),
        (fault("fault = 'stale', objectives = { readmissions_max = 0 }"), true),
        (fault("fault = 'stale', objectives = { wrong_answers = 0 }"), false),
    ];
    for (text, good) in cases {
        let read = file::parse("x.toml", &text);
        assert_eq!(read.is_ok(), good, "{text}: {read:?}");
        assert_eq!(validator.is_valid(&parsed(&text)), good, "{text}");
    }
}

/// A schema that allows what the reader refuses, or explains nothing, is of no use to an editor.
#[test]
fn every_table_is_closed_and_every_key_described() {
    fn walk(value: &Value, at: &str) {
        match value {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{at}");
                    // The services' parameters are described where the services are.
                    for (key, property) in properties.iter().filter(|(key, _)| key.to_lowercase() == **key) {
                        assert!(property.get("description").is_some(), "{at}/{key}");
                    }
                }
                assert_ne!(object.get("type"), Some(&Value::from("null")), "{at}");
                for (key, inner) in object {
                    walk(inner, &format!("{at}/{key}"));
                }
            }
            Value::Array(values) => values.iter().for_each(|inner| walk(inner, at)),
            _ => {}
        }
    }
    let schema = schema();
    let instance = &schema["$defs"]["fault"]["properties"]["instance"]["description"];
    assert!(
        instance.as_str().unwrap().contains("has rested when it is hit again"),
        "{instance}"
    );
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    walk(&schema, "");
}
