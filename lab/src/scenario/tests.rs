#![allow(clippy::unwrap_used)]

use super::*;

fn wrong(text: &str) -> (usize, usize, String) {
    match file::parse("x.toml", text).unwrap_err() {
        ScenarioError::Wrong {
            line, column, message, ..
        } => (line, column, message),
        other => panic!("{other}"),
    }
}

#[test]
fn the_file_of_the_classic_scenario_is_the_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/classic.toml");
    assert_eq!(load(&path).unwrap(), Scenario::classic());
}

#[test]
fn only_a_name_and_faults_are_needed() {
    let scenario = file::parse(
        "x.toml",
        "name = 'x'\nfaults = [{ fault = 'freeze', scope = 'queries' }]",
    )
    .unwrap();
    assert_eq!(scenario.pace, Scenario::classic().pace);
    assert_eq!(scenario.objectives, Objectives::default());
    assert_eq!(scenario.faults[0].scope, Scope::Queries);
}

#[test]
fn errors_name_the_place() {
    let cases: &[(&str, (usize, usize), &str)] = &[
        ("", (1, 1), "name"),
        ("name = ", (1, 8), ""),
        ("name = 'x'\nfaults = []", (2, 10), "at least one fault"),
        ("name = 'x'\ncolour = 1\nfaults = []", (2, 1), "colour"),
        (
            "name = 'x'\ntrials = 0\nfaults = [{ fault = 'crash' }]",
            (2, 10),
            "1 to 1000",
        ),
        (
            "name = 'x'\nbaseline_s = -1.0\nfaults = [{ fault = 'crash' }]",
            (2, 14),
            "baseline_s",
        ),
        (
            "name = 'x'\nbaseline_s = nan\nfaults = [{ fault = 'crash' }]",
            (2, 14),
            "baseline_s",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crush' }]",
            (2, 21),
            "no fault \"crush\"",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'incorrect' }]",
            (2, 21),
            "needs a product",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'incorrect', product = 'ñ' }]",
            (2, 44),
            "product id",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'intermittent', probability = 1.5 }]",
            (2, 51),
            "not 1.5",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'latency', latency_ms = -1 }]",
            (2, 45),
            "latency_ms",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', probability = 0.5 }]",
            (2, 21),
            "has no probability",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', probabilty = 0.5 }]",
            (2, 30),
            "probabilty",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[objectives]\nttd_ms = 5",
            (4, 1),
            "ttd_ms",
        ),
    ];
    for (text, place, part) in cases {
        let (line, column, message) = wrong(text);
        assert_eq!((line, column), *place, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn columns_count_characters() {
    let (line, column, _) = wrong("name = 'ñandú'\nfaults = [{ fault = 'ñ' }]");
    assert_eq!((line, column), (2, 21));
}

#[test]
fn what_is_not_a_file_of_a_sensible_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        load(&dir.path().join("missing.toml"))
            .unwrap_err()
            .to_string()
            .contains("missing.toml")
    );
    assert!(load(dir.path()).unwrap_err().to_string().contains("not a file"));
    assert!(
        load(Path::new("/dev/zero"))
            .unwrap_err()
            .to_string()
            .contains("not a file")
    );
    let large = dir.path().join("large.toml");
    std::fs::File::create(&large).unwrap().set_len(10 << 30).unwrap();
    assert!(load(&large).unwrap_err().to_string().contains("1 MiB"));
}
