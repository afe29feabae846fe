#![allow(clippy::unwrap_used)]

use super::*;

mod errors;
mod files;
mod fuzz;
mod text;

fn shipped(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    load(&path).unwrap()
}

fn parse(text: &str) -> Scenario {
    file::parse("x.toml", text).unwrap()
}

#[test]
fn the_classic_file_is_the_default() {
    assert_eq!(shipped("classic.toml"), Scenario::classic());
    let names = ["crash", "latency", "intermittent", "incorrect", "freeze", "stale"];
    assert_eq!(Scenario::classic().names(), names);
}

#[test]
fn every_scenario_that_is_shipped_can_be_used() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let scenario = load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
        scenario.fits(scenario.replicas.unwrap_or(3).into()).unwrap();
        // Nobody waits longer, unless for what takes its time.
        let takes = scenario.estimate(scenario.pace).as_secs();
        let is_long = ["long-baseline", "compare"].contains(&scenario.name.as_str());
        assert!(is_long || takes < 360, "{} takes {takes} s", scenario.name);
        let names = scenario.names();
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
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
    let double = [
        "latency+incorrect",
        "crash ×2",
        "freeze ×2",
        "latency ×2",
        "incorrect ×2",
    ];
    assert_eq!(shipped("double-fault.toml").names(), double);
    let held = ["intermittent (0.1)", "intermittent (0.5)", "incorrect"];
    assert_eq!(shipped("held.toml").names(), held);
    assert!(shipped("long-baseline.toml").names().is_empty());
    let places = parse(
        "name = 'x'\nfaults = [{ fault = 'crash', instance = 1 }, { fault = 'crash' }, { fault = 'stale', instance = 2 }, \
         { fault = 'freeze', duration_ms = 5 }, { fault = 'freeze', phase = 7 }]",
    );
    assert_eq!(
        places.names(),
        [
            "crash, instance 1",
            "crash",
            "stale",
            "freeze, 5 ms",
            "freeze, after 7 ms"
        ]
    );
}

#[test]
fn only_a_name_and_faults_are_needed() {
    let scenario = parse("name = 'x'\nfaults = [{ fault = 'latency', scope = 'queries' }]");
    assert_eq!(scenario.pace, Scenario::classic().pace);
    assert_eq!((scenario.load, &scenario.products), (Load::default(), &Products::All));
    let case = &scenario.faults[0];
    assert_eq!((case.instance, case.phase, case.duration), (None, Phase::Random, None));
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
fn a_system_of_another_size_is_told_so() {
    let five = parse("name = 'x'\nreplicas = 5\nfaults = [{ fault = 'freeze', instance = 5 }]");
    assert_eq!(five.replicas, Some(5));
    five.fits(5).unwrap();
    let error = five.fits(3).unwrap_err().to_string();
    assert!(error.contains("5 replicas, the system has 3"), "{error}");
    let any = parse("name = 'x'\nfaults = [{ fault = 'freeze', instance = 5 }]");
    let error = any.fits(3).unwrap_err().to_string();
    assert!(error.contains("freeze hits instance 5, the system has 3"), "{error}");
}

#[test]
fn a_fault_has_a_place_a_beginning_and_a_duration() {
    let scenario = parse(
        "name = 'x'\nfaults = [{ fault = 'freeze', instance = 2, phase = 120, duration_ms = 700 }, \
         { fault = 'stale', instance = 'random', phase = 'random' }]",
    );
    let [fixed, random] = scenario.faults.as_slice() else {
        panic!()
    };
    assert_eq!(fixed.instance.map(|id| id.number()), Some(2));
    assert_eq!(fixed.phase, Phase::After(Duration::from_millis(120)));
    assert_eq!(fixed.duration, Some(Duration::from_millis(700)));
    let value = fixed.parameters();
    assert_eq!(
        (&value["instance"], &value["duration_ms"], &value["phase"]),
        (&"2".into(), &700.into(), &120.into())
    );
    assert_eq!((random.instance, random.phase), (None, Phase::Random));
}

#[test]
fn a_load_has_a_mix_and_a_rise() {
    let load = |text: &str| {
        let scenario = parse(&format!("name = 'x'\nfaults = [{{ fault = 'crash' }}]\n[load]\n{text}"));
        (scenario.load, scenario.products)
    };
    let (rising, _) = load("ramp_s = 10\ncancel = 0.25");
    assert_eq!((rising.ramp, rising.cancel), (Duration::from_secs(10), 0.25));
    // Not while it still rises.
    assert_eq!(rising.warm_up, Duration::from_millis(10_500));
    assert_eq!(load("warm_up_s = 3").0.warm_up, Duration::from_secs(3));
    let of = |name: &str, weight: f64| (name.parse().unwrap(), weight);
    assert_eq!(load("products = 2").1, Products::First(2));
    assert_eq!(
        load("products = ['B', 'A']").1,
        Products::These(vec![of("A", 1.0), of("B", 1.0)])
    );
    assert_eq!(
        load("products = { B = 2, A = 0.5 }").1,
        Products::These(vec![of("A", 0.5), of("B", 2.0)])
    );
}

#[test]
fn services_parameters_are_text_in_the_end() {
    let scenario = parse(
        "name = 'x'\nfaults = [{ fault = 'crash' }]\n[parameters]\nDETECTOR = 'phi'\nLATE_CAP_MS = 150\nACCRUAL_P1 = 0.4",
    );
    let set: Vec<_> = scenario
        .parameters
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    assert_eq!(
        set,
        [("ACCRUAL_P1", "0.4"), ("DETECTOR", "phi"), ("LATE_CAP_MS", "150")]
    );
}

#[test]
fn trials_and_time_are_counted_beforehand() {
    let scenario = parse(
        "name = 'x'\ntrials = 4\nbaseline_s = 10\nhold_ms = 100\nsettle_ms = 400\ndetectors = ['phi', 'accrual']\n\
         faults = [{ fault = 'stale' }, { fault = 'freeze', duration_ms = 1100, phase = 1000 }]",
    );
    assert_eq!(scenario.trials(scenario.pace), 16);
    // 5 s around, 0.5 s of warm-up, and eight trials of each fault: 0.1 or 2.1 s, 0.4 s to settle, 1.5 s otherwise.
    let expected = 5.0 + 0.5 + 10.0 + 8.0 * (0.1 + 2.1 + 2.0 * 1.9);
    assert!((scenario.estimate(scenario.pace).as_secs_f64() - expected).abs() < 1e-9);
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
