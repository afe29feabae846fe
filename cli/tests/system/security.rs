//! Nobody in who should not be, and nothing out that should not.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tolerancia_wire::denial::{DenialEntry, Denials, Why};

use crate::harness::{Run, System, eventually, leftovers, tolerancia};

const TOKEN: &str = "MARKED-token-0f5b";

/// Every route by which something can be broken: the place of its process, method, path, and a body that does it.
fn ways(system: &System) -> Vec<(&'static str, String, Method, &'static str, Value)> {
    let now = tolerancia_wire::Stamp::now();
    let report = json!({"instance": "2", "fault": "latency", "activated_at": now});
    let (replica, monitor, page) = (system.inventory(2), system.monitor(), system.dashboard());
    let fault = json!({"fault": "stale"});
    vec![
        ("inventory-svc/2", replica.clone(), Method::PUT, "/fault", fault.clone()),
        (
            "inventory-svc/2",
            replica.clone(),
            Method::POST,
            "/fault",
            fault.clone(),
        ),
        ("inventory-svc/2", replica, Method::DELETE, "/fault", Value::Null),
        ("monitor-svc", monitor.clone(), Method::POST, "/faults", report.clone()),
        ("monitor-svc", monitor.clone(), Method::POST, "/monitor/faults", report),
        (
            "monitor-svc",
            monitor.clone(),
            Method::PUT,
            "/detector",
            json!({"detector": "consecutive"}),
        ),
        (
            "monitor-svc",
            monitor,
            Method::PUT,
            "/monitor/detector",
            json!({"detector": "consecutive"}),
        ),
        (
            "dashboard",
            page.clone(),
            Method::POST,
            "/api/faults",
            json!({"instance": "2", "fault": "stale"}),
        ),
        ("dashboard", page.clone(), Method::DELETE, "/api/faults", Value::Null),
        ("dashboard", page.clone(), Method::DELETE, "/api/faults/2", Value::Null),
        (
            "dashboard",
            page,
            Method::POST,
            "/api/experiments",
            json!({"scenario": "quick"}),
        ),
    ]
}

async fn try_all(system: &System, token: Option<&str>, wanted: u16) {
    for (_, at, method, path, body) in ways(system) {
        let mut request = system.http.request(method.clone(), format!("{at}{path}"));
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        assert_eq!(status, wanted, "{method} {path} with {token:?}: {body}");
        assert!(!body.contains(TOKEN), "{body}");
    }
}

async fn denials(system: &System) -> Vec<DenialEntry> {
    let url = format!("{}/denials?limit=1000", system.monitor());
    system.get::<Denials>(&url).await.denials
}

/// Waits until the audit has every way with every one of these reasons, and nothing else; the dashboard's is its log.
async fn audited(system: &System, reasons: &[Why]) {
    eventually("all refused attempts are audited", async || {
        let (all, log) = (denials(system).await, system.log());
        let missing = ways(system).into_iter().any(|(source, _, method, path, _)| {
            let tried = format!("{method} {path}");
            reasons.iter().any(|why| match source {
                "dashboard" => !log
                    .lines()
                    .any(|line| line.contains(&tried) && line.contains(why.name())),
                _ => !all
                    .iter()
                    .any(|one| one.source == source && one.denial.tried == tried && one.denial.why == *why),
            })
        });
        (!missing).then_some(())
    })
    .await;
    for entry in denials(system).await {
        assert!(reasons.contains(&entry.denial.why), "{entry:?}");
        assert_eq!(entry.denial.peer, Some("127.0.0.1".parse().unwrap()), "{entry:?}");
    }
}

/// Whatever was tried, nothing is broken and nothing is changed.
async fn is_untouched(system: &System) {
    system.steady().await;
    let detector: Value = system.get(&format!("{}/detector", system.monitor())).await;
    assert_eq!(detector["detector"], "accrual");
    let failures = system.failures(2).await;
    assert!(
        failures
            .iter()
            .all(|one| one.reason.kind == tolerancia_wire::status::ReasonKind::Initial),
        "{failures:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_with_a_wrong_one_and_with_injection_off_every_way_is_refused_and_audited() {
    let system = System::up_with(|up| {
        up.env("FAULT_TOKEN", TOKEN);
    })
    .await;
    try_all(&system, None, 401).await;
    for wrong in ["x", &TOKEN[..TOKEN.len() - 1], &format!("{TOKEN}x"), &"x".repeat(4000)] {
        try_all(&system, Some(wrong), 401).await;
    }
    audited(&system, &[Why::NoToken, Why::WrongToken]).await;
    is_untouched(&system).await;
    // Another monitor remembers them.
    let before: HashSet<_> = denials(&system).await.into_iter().map(|one| one.event_id).collect();
    system.monitor_has_written().await;
    crate::harness::signal(system.pid("monitor-svc"), rustix::process::Signal::KILL);
    let url = format!("{}/denials?limit=1000", system.monitor());
    eventually("another monitor remembers", async || {
        let (_, body) = system.look(&url).await?;
        let all: Denials = serde_json::from_value(body).ok()?;
        let after: HashSet<_> = all.denials.into_iter().map(|one| one.event_id).collect();
        before.is_subset(&after).then_some(())
    })
    .await;
    assert!(!system.log().contains(TOKEN), "the token is in the log");
    system.down().await;

    let system = System::up_with(|up| {
        up.env("FAULT_TOKEN", TOKEN).env("FAULT_INJECTION", "off");
    })
    .await;
    for token in [None, Some("x"), Some(TOKEN)] {
        try_all(&system, token, 404).await;
    }
    audited(&system, &[Why::InjectionOff]).await;
    is_untouched(&system).await;
    system.down().await;
}

/// Values of variables that nobody may see. The database is not there, so that its address is told of in errors.
const SECRETS: [(&str, &str); 5] = [
    ("FAULT_TOKEN", TOKEN),
    (
        "POSTGRES_URL",
        "postgres://ann:MARKED-postgres-77c1@127.0.0.1:1/lab?sslmode=disable",
    ),
    ("KAFKA_PROP_SASL_PASSWORD", "MARKED-kafka-41d9"),
    ("KAFKA_PROP_SSL_KEY_PASSWORD", "MARKED-key-c2a8"),
    ("KAFKA_PROP_SSL_KEYSTORE_PASSWORD", "MARKED-store-93ee"),
];
const MARK: &str = "MARKED";

#[track_caller]
fn clean(what: &str, text: &str) {
    if let Some(at) = text.find(MARK) {
        let from = text.floor_char_boundary(at.saturating_sub(200));
        let to = text.floor_char_boundary((at + 100).min(text.len()));
        panic!("a secret is in {what}: …{}…", &text[from..to]);
    }
}

/// All files below a directory.
fn files_are_clean(dir: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            count += files_are_clean(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            clean(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            count += 1;
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_logs_answers_files_arguments_or_help_and_nobody_listens_beyond_this_host() {
    let system = System::up_with(|up| {
        up.envs(SECRETS).env("RUST_LOG", "debug,tansu=warn,libsql=warn");
    })
    .await;
    let secretly = |args: &[&str]| {
        let mut command = system.command(args);
        command.envs(SECRETS);
        command
    };
    listens_here_only(&system);

    // The commands that know a secret, when they work and when they do not.
    let scenario = system.dir().join("scenario.toml");
    std::fs::write(
        &scenario,
        "name = 'small'\ntrials = 1\nbaseline_s = 1.0\nfaults = [{ fault = 'incorrect', product = 'PROD-001' }]\n",
    )
    .unwrap();
    let (scenario, out) = (scenario.to_str().unwrap(), system.dir().join("out"));
    let out = out.to_str().unwrap();
    let help = [
        "up",
        "orders-svc",
        "inventory-svc",
        "monitor-svc",
        "voter-svc",
        "dashboard",
        "experiment",
    ];
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["inject", "latency", "--instance", "2"],
        vec!["inject", "clear", "--instance", "2"],
        vec!["inject", "status", "--instance", "2", "--json"],
        vec!["inject", "status", "--instance", "2", "--fault-token", "MARKED-wrong"],
        vec!["inject", "failures", "--instance", "2"],
        vec!["inject", "clear", "--help"],
        vec!["experiment", "--scenario", scenario, "--out", out, "--seed", "1"],
        // Refused at the start: the error must not repeat what it got.
        vec!["monitor-svc", "--replicas", "4"],
        vec!["up", "--base-port", "1", "--no-such-flag"],
    ];
    commands.extend(help.iter().map(|name| vec![*name, "--help"]));
    for args in &commands {
        let run = Run::of(secretly(args)).await;
        clean(&format!("{args:?}"), &format!("{}{}", run.out, run.err));
    }
    assert!(
        Path::new(out).join("report.json").exists(),
        "the experiment wrote nothing"
    );

    // What everybody can ask.
    for url in system.all() {
        for path in [
            "/health",
            "/metrics",
            "/openapi.json",
            "/status",
            "/failures",
            "/denials",
            "/detector",
            "/voting-stats",
            "/inventory",
            "/orders",
            "/fault",
            "/api/results",
            "/api/experiments",
            "/",
            "/nothing",
        ] {
            for token in [None, Some(TOKEN)] {
                let mut request = system.http.get(format!("{url}{path}"));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let answer = request.send().await.unwrap();
                clean(
                    &format!("the headers of {url}{path}"),
                    &format!("{:?}", answer.headers()),
                );
                clean(&format!("{url}{path}"), &answer.text().await.unwrap());
            }
        }
    }
    // What everybody on this host can see.
    let processes = leftovers(system.dir());
    assert!(processes.len() >= 8, "{processes:?}");
    processes.iter().for_each(|process| clean("ps", process));
    assert!(files_are_clean(system.dir()) > 5);
    let log = system.log();
    assert!(log.contains("database") || log.contains("DEBUG"), "nothing was logged");
    system.down().await;
}

/// Every socket that a process of the system listens on is bound to loopback.
fn listens_here_only(system: &System) {
    let mut sockets = BTreeSet::new();
    for process in leftovers(system.dir()) {
        let pid = process.split(' ').next().unwrap();
        let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let links = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        sockets.extend(links.filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        }));
    }
    let mut ports = BTreeSet::new();
    for (table, loopback) in [
        ("/proc/net/tcp", "0100007F"),
        ("/proc/net/tcp6", "00000000000000000000000001000000"),
        ("/proc/net/udp", "0100007F"),
        ("/proc/net/udp6", "00000000000000000000000001000000"),
    ] {
        // TCP: those that listen. UDP has no such state: every socket that is bound and not connected.
        let wanted = if table.contains("udp") { "07" } else { "0A" };
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields[1], fields[3], fields[9]);
            if state != wanted || !sockets.contains(inode) {
                continue;
            }
            let (address, port) = local.split_once(':').unwrap();
            assert_eq!(address, loopback, "{table}: {line}");
            ports.insert(u16::from_str_radix(port, 16).unwrap());
        }
    }
    let ports_of = system.ports();
    let wanted: BTreeSet<u16> = (ports_of.base..=ports_of.dashboard())
        .chain([ports_of.base + 91])
        .collect();
    assert_eq!(ports, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_beyond_this_host_without_a_token_is_warned_and_with_one_is_not() {
    // It ends at once: the port is taken.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (bind, token, warned) in [
        ("0.0.0.0", None, true),
        ("0.0.0.0", Some(TOKEN), false),
        ("127.0.0.1", None, false),
    ] {
        let mut command = tolerancia(&["dashboard", "--bind", bind, "--port", &port]);
        command.env("FAULT_INJECTION", "on");
        command.envs(token.map(|token| ("FAULT_TOKEN", token)));
        let run = Run::of(command).await.code(2).says("already in use");
        assert_eq!(run.err.contains("MAY INJECT FAULTS"), warned, "{run:#?}");
        clean("its log", &run.err);
    }
}
