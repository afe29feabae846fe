//! What is wrong in a file, and where.

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
fn errors_name_the_place() {
    let cases: &[(&str, (usize, usize), &str)] = &[
        ("", (1, 1), "name"),
        ("\n \n", (1, 1), "empty"),
        (
            "name = 'x'\nreplicas = 2\nfaults = [{ fault = 'crash' }]",
            (2, 12),
            "3, 5 or 7",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', instance = 9 }]",
            (2, 41),
            "1 to 7",
        ),
        (
            "name = 'x'\nreplicas = 3\nfaults = [{ fault = 'crash', instance = 4 }]",
            (3, 41),
            "1 to 3",
        ),
        (
            "name = 'x'\nreplicas = 3\nfaults = [{ fault = 'crash', instances = 4 }]",
            (3, 42),
            "1 to 3",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', instance = 'first' }]",
            (2, 41),
            "\"random\"",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'freeze', instance = 2, instances = 2 }]",
            (2, 42),
            "leave instance out",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', with = [{ fault = 'latency' }] }]",
            (2, 48),
            "overlap",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'latency', with = [{ fault = 'crash' }] }]",
            (2, 50),
            "overlap",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'freeze', duration_ms = -5 }]",
            (2, 45),
            "not -5",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash', duration_ms = 5 }]",
            (2, 44),
            "leave duration_ms out",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'freeze', phase = -1 }]",
            (2, 39),
            "phase must be",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }, { fault = 'stale' }, { fault = 'crash' }]",
            (2, 53),
            "crash is there twice",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\ncancel = 1.5",
            (4, 10),
            "cancel must be 0 to 1",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nramp_s = 5\nwarm_up_s = 1",
            (5, 13),
            "warm_up_s to 5",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nproducts = 0",
            (4, 12),
            "products must be",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nproducts = true",
            (4, 12),
            "a number, a list",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nproducts = []",
            (4, 12),
            "at least one product",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nproducts = ['A', 'A']",
            (4, 12),
            "A is there twice",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[load]\nproducts = { A = 0 }",
            (4, 12),
            "the weight of A",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[parameters]\nDETECTR = 'phi'",
            (4, 1),
            "no service knows",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[parameters]\nREPLICAS = 5",
            (4, 1),
            "replicas = 3, 5 or 7",
        ),
        (
            "name = 'x'\nfaults = [{ fault = 'crash' }]\n[parameters]\nLATE_CAP_MS = 'x'",
            (4, 15),
            "1 to 60000",
        ),
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
