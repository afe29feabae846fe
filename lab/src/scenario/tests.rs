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

fn shipped(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    load(&path).unwrap()
}

fn parse(text: &str) -> Scenario {
    file::parse("x.toml", text).unwrap()
}

#[test]
fn the_file_of_all_faults_is_the_default() {
    assert_eq!(shipped("all.toml"), Scenario::all());
    let names = ["crash", "latency", "intermittent", "incorrect", "freeze", "stale"];
    assert_eq!(Scenario::all().names(), names);
}

#[test]
fn every_scenario_that_is_shipped_can_be_used() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let scenario = load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
        scenario.fits(3).unwrap();
        let names = scenario.names();
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
    assert_eq!(shipped("classic.toml").faults, Scenario::all().faults[..4]);
}

#[test]
fn names_are_as_short_as_tells_one_from_another() {
    let gray = [
        "latency (queries)",
        "intermittent (queries)",
        "latency (health)",
        "intermittent (health)",
    ];
    assert_eq!(shipped("gray.toml").names(), gray);
    let combined = [
        "latency+incorrect",
        "crash ×2",
        "freeze ×2",
        "latency ×2",
        "incorrect ×2",
    ];
    assert_eq!(shipped("combined.toml").names(), combined);
    let held = ["intermittent (0.1)", "intermittent (0.5)", "incorrect"];
    assert_eq!(shipped("held.toml").names(), held);
    assert!(shipped("healthy.toml").names().is_empty());
}

#[test]
fn only_a_name_and_faults_are_needed() {
    let scenario = parse("name = 'x'\nfaults = [{ fault = 'latency', scope = 'queries' }]");
    assert_eq!(scenario.pace, Scenario::all().pace);
    assert_eq!(scenario.objectives, Objectives::default());
    assert_eq!(scenario.faults[0].hits[0][0].scope, Scope::Queries);
    assert_eq!(scenario.faults[0].objectives, FaultObjectives::default());
    assert!(scenario.detectors.is_empty());
}

#[test]
fn faults_are_combined_and_multiplied() {
    let scenario = parse(
        "name = 'x'\n[[faults]]\nfault = 'latency'\nlatency_ms = 9\ninstances = 2\n\
         with = [{ fault = 'incorrect', products = ['A', 'B'] }, { fault = 'intermittent', scope = 'health' }]",
    );
    let case = &scenario.faults[0];
    assert_eq!(case.name(), "latency+incorrect+intermittent (health) ×2");
    assert!(case.takes_quorum(3) && !case.takes_quorum(5) && !case.is_crash());
    let products: Vec<String> = case
        .hits
        .iter()
        .map(|hit| hit[1].fault.clone())
        .map(|lie| match lie {
            Fault::Incorrect { product } => product.to_string(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(products, ["A", "B"]);
    assert_eq!((case.hits[0].len(), &case.hits[0][2]), (3, &case.hits[1][2]));
    let value = case.parameters();
    assert_eq!(
        (&value["fault"], &value["latency_ms"], &value["instances"]),
        (&"latency".into(), &9.into(), &2.into())
    );
    assert_eq!(value["with"][1]["scope"], "health");
    assert_eq!(value["each"][1][1]["product"], "B");
    // What is alike is not repeated.
    let plain = parse("name = 'x'\nfaults = [{ fault = 'crash', instances = 3 }]").faults[0].parameters();
    assert_eq!(
        plain,
        serde_json::json!({ "fault": "crash", "scope": "all", "instances": 3 })
    );
    // A product each says how many.
    let lies = parse("name = 'x'\nfaults = [{ fault = 'incorrect', products = ['A', 'B', 'C'] }]");
    assert_eq!(lies.faults[0].instances(), 3);
    let one = parse("name = 'x'\nfaults = [{ fault = 'incorrect', product = 'A', instances = 3 }]");
    assert_eq!(one.faults[0].hits, vec![one.faults[0].hits[0].clone(); 3]);
}

#[test]
fn a_system_with_too_few_replicas_is_told_so() {
    let scenario = parse("name = 'x'\nfaults = [{ fault = 'freeze', instances = 5 }]");
    scenario.fits(5).unwrap();
    let error = scenario.fits(3).unwrap_err().to_string();
    assert!(error.contains("freeze ×5") && error.contains("has 3"), "{error}");
}

#[test]
fn a_fault_may_ask_for_something_else() {
    let scenario = parse(
        "name = 'x'\nfaults = [{ fault = 'crash' }, { fault = 'freeze', objectives = { readmissions_max = 0, \
         ttd_max_ms = 5 } }]\n[objectives]\nttd_max_ms = 7\ntransitions_max = 3\nrepair_over_quarantine_ms = 2000.0",
    );
    let each = scenario.objectives.each;
    assert_eq!(
        (each.ttd_max_ms, each.transitions_max, each.readmissions_max),
        (7.0, Some(3), None)
    );
    assert_eq!(scenario.faults[0].objectives, each);
    let freeze = FaultObjectives {
        ttd_max_ms: 5.0,
        readmissions_max: Some(0),
        ..each
    };
    assert_eq!(scenario.faults[1].objectives, freeze);
    assert_eq!(freeze.repair_over_quarantine_ms, Some(2000.0));
}

#[test]
fn detectors_are_named_in_order() {
    let scenario = parse("name = 'x'\ndetectors = ['consecutive', 'accrual']\nfaults = [{ fault = 'crash' }]");
    assert_eq!(scenario.detectors, [DetectorKind::Consecutive, DetectorKind::Accrual]);
}

#[test]
fn there_may_be_no_fault_and_no_load() {
    let healthy = parse("name = 'x'\nbaseline_s = 86400\nfaults = []\n[load]\nqueries_rps = 0\norders_rps = 0.0");
    assert_eq!(healthy.pace.baseline, Duration::from_secs(86_400));
    assert!(healthy.faults.is_empty() && healthy.load.is_none());
    assert!(
        !Load {
            orders_rps: 0.0,
            ..Load::default()
        }
        .is_none()
    );
}

#[test]
fn errors_name_the_place() {
    let cases: &[(&str, (usize, usize), &str)] = &[
        ("", (1, 1), "name"),
        ("name = ", (1, 8), ""),
        ("name = 'x'\nfaults = []", (2, 10), "at least one fault"),
        (
            "name = 'x'\nfaults = []\n[quick]\nbaseline_s = 9",
            (2, 10),
            "at least one fault",
        ),
        ("name = 'x'\nbaseline_s = 86401\nfaults = []", (2, 14), "1 to 86400"),
        (
            "name = 'x'\ntrials = 1000\nhold_ms = 60000\nfaults = [{ fault = 'crash' }, { fault = 'stale' }]",
            (2, 10),
            "remembered",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nqueries_rps = 100000",
            (2, 10),
            "remembered",
        ),
        (
            "name = 'x'\nbaseline_s = 9\nfaults = []\n[objectives]\nttd_max_ms = 500",
            (5, 14),
            "ttd_max_ms is about faults",
        ),
        (
            "name = 'x'\nbaseline_s = 86400\nfaults = []\n[load]\nqueries_rps = 100",
            (2, 14),
            "remembered",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nqueries_rps = 0.05",
            (4, 15),
            "0 means none",
        ),
        (
            "name = 'x'\ndetectors = ['psychic']\nfaults = [{ fault = 'crash' }]",
            (2, 14),
            "psychic",
        ),
        (
            "name = 'x'\ndetectors = ['accrual', 'accrual']\nfaults = [{ fault = 'crash' }]",
            (2, 13),
            "twice",
        ),
        (
            "name = 'x'\ndetectors = []\nfaults = [{ fault = 'crash' }]",
            (2, 13),
            "at least one detector",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', instances = 8 }]",
            (2, 42),
            "1 to 7",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', with = [{ fault = 'crash' }] }]",
            (2, 21),
            "twice",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', with = [{ fault = 'stale', with = [] }] }]",
            (2, 57),
            "with",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', with = [{ fault = 'latency', latency_ms = 0 }] }]",
            (2, 72),
            "latency_ms",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'incorrect', products = ['A', 'B'], instances = 3 }]",
            (2, 69),
            "2 products",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'incorrect', product = 'A', products = ['B'] }]",
            (2, 60),
            "one for each",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', products = ['B'] }]",
            (2, 21),
            "has no products",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'freeze', scope = 'queries' }]",
            (2, 39),
            "leave the scope out",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', scope = 'nothing' }]",
            (2, 38),
            "nothing",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', objectives = { wrong_answers = 1 } }]",
            (2, 45),
            "wrong_answers",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', objectives = { transitions_max = -1 } }]",
            (2, 63),
            "transitions_max",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[objectives]\nrepair_over_quarantine_ms = nan",
            (4, 29),
            "repair_over",
        ),
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
