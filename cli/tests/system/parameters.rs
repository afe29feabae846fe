//! A scenario sets the services' parameters, where the experiment starts the services.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Run, System, free_base, leftovers, tolerancia, turn};

/// A trial with five replicas and a baseline of a second take 15 s on a calm machine.
const LONG: Duration = Duration::from_secs(120);

const SCENARIO: &str = "name = 'parameters'\nreplicas = 5\ntrials = 1\nbaseline_s = 1.0\n\
                        faults = [{ fault = 'freeze', instance = 4, duration_ms = 1500 }]\n\
                        [parameters]\nDETECTOR = 'consecutive'\nCATALOGUE = 'A=1000,B=1000'\n\
                        [load]\nproducts = ['B']\n";

#[tokio::test(flavor = "multi_thread")]
async fn parameters_reach_the_services_of_an_own_system() {
    let _turn = turn().await;
    let dir = tempfile::Builder::new().prefix("tolerancia-test-").tempdir().unwrap();
    let (scenario, out) = (dir.path().join("parameters.toml"), dir.path().join("out"));
    std::fs::write(&scenario, SCENARIO).unwrap();
    let mut command = tolerancia(&["experiment", "--base-port", &free_base().to_string()]);
    command.arg("--scenario").arg(&scenario).arg("--out").arg(&out);
    command.env("TMPDIR", dir.path());
    let run = Run::within(LONG, command).await;
    let report = std::fs::read(out.join("report.json")).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["notes"], serde_json::json!([]), "{run:#?}");
    assert_eq!(report["environment"]["replicas"], 5);
    assert_eq!(report["environment"]["detector"], "consecutive");
    let trials = report["faults"][0]["trials_detail"].as_array().unwrap();
    assert_eq!((trials.len(), &trials[0]["instance"]), (1, &"4".into()), "{run:#?}");
    assert_eq!(leftovers(dir.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_up_is_not_measured_with_other_parameters() {
    let system = System::up().await;
    let scenario = system.dir().join("scenario.toml");
    for (text, told) in [
        (SCENARIO, "about 5 replicas, the system has 3"),
        (
            &SCENARIO.replace("replicas = 5\n", "").replace("= 4", "= 2"),
            "sets CATALOGUE, DETECTOR",
        ),
    ] {
        std::fs::write(&scenario, text).unwrap();
        let mut command = system.command(&["experiment"]);
        command
            .arg("--scenario")
            .arg(&scenario)
            .arg("--out")
            .arg(system.dir().join("out"));
        Run::of(command).await.code(2).says(told).says("--base-port");
    }
    system.steady().await;
    system.down().await;
}
