//! A scenario that is written is the same when it is read again.

use super::*;

fn comes_back(scenario: &Scenario) {
    let text = scenario.to_toml();
    let again = file::parse("x.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(&again, scenario, "{text}");
}

#[test]
fn every_scenario_that_is_shipped_comes_back() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")).unwrap() {
        comes_back(&load(&entry.unwrap().path()).unwrap());
    }
}

#[test]
fn everything_that_can_be_set_comes_back() {
    comes_back(&parse(
        "name = 'a \"name\" of\\ttwo lines'\nreplicas = 7\ntrials = 3\nbaseline_s = 1.25\nhold_ms = 7\nsettle_ms = 9\n\
         detectors = ['window', 'phi']\n\
         [parameters]\nCATALOGUE = 'A=1,B=2'\nACCRUAL_P0 = 0.002\nWINDOW_MS = 900\nDETECTOR = 'window'\n\
         [quick]\ntrials = 1\n\
         [load]\nqueries_rps = 0.3\norders_rps = 0\ncancel = 0.1\nramp_s = 0.7\nwarm_up_s = 1.9\nproducts = { B = 0.1, A = 7 }\n\
         [objectives]\nttd_max_ms = 123.4\nwrong_answers = 2\nfalse_alarms = 3\ntransitions_max = 4\n\
         [[faults]]\nfault = 'latency'\nscope = 'health'\ninstance = 7\nphase = 33\nduration_ms = 44\n\
         with = [{ fault = 'latency', latency_ms = 5, scope = 'queries' }, { fault = 'incorrect', product = 'A' }]\n\
         objectives = { readmissions_max = 0, repair_over_quarantine_ms = 1.5 }\n\
         [[faults]]\nfault = 'incorrect'\nproducts = ['A', 'B', 'C']\n\
         with = [{ fault = 'intermittent', probability = 0.123 }]\n\
         [[faults]]\nfault = 'incorrect'\nproducts = ['A', 'A']\n\
         [[faults]]\nfault = 'crash'\ninstances = 3",
    ));
    comes_back(&parse(
        "name = 'x'\nfaults = [{ fault = 'stale' }]\n[load]\nproducts = 2",
    ));
    comes_back(&parse(
        "name = 'x'\nfaults = []\nbaseline_s = 9\n[objectives]\np95_ms = 5",
    ));
}
