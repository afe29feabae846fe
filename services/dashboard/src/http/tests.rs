#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use clap::Parser as _;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::check::{check, listed};
use super::*;
use crate::experiments::ExperimentSettings;

const TOKEN: &str = "secret";
const HEADERS: [(&str, &str); 2] = [("host", "localhost"), ("authorization", "Bearer secret")];

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// A dashboard of a system that is not there, and in which experiments fail at once.
struct Page {
    router: Router,
    dir: TempDir,
    shutdown: CancellationToken,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn page() -> Page {
    let dir = tempfile::tempdir().unwrap();
    let (results, data) = (dir.path().join("results"), dir.path().join("data"));
    let mut args = vec![
        "dashboard",
        "--fault-injection",
        "on",
        "--fault-token",
        TOKEN,
        "--data-dir",
    ];
    args.push(data.to_str().unwrap());
    args.extend(["--results-dir", results.to_str().unwrap()]);
    let args = Cli::parse_from(args).args.prepared().unwrap();
    let (hub, tasks, shutdown) = (Hub::new(), TaskTracker::new(), CancellationToken::new());
    let settings = ExperimentSettings {
        program: PathBuf::from("/bin/false"),
        results_dir: results,
        scenarios_dir: dir.path().join("scenarios"),
        base_port: 7001,
        replicas: 3,
        fault_token: None,
        enabled: true,
    };
    let experiments = Experiments::new(settings, hub.clone());
    tasks.spawn(experiments.clone().run(shutdown.clone()));
    let nowhere = "http://127.0.0.1:9".to_owned();
    let settings = faults::Settings {
        replicas: vec![nowhere.clone(); 3],
        monitor: nowhere,
        token: None,
        data_dir: data,
    };
    let injector = Injector::start(settings, hub.clone(), &tasks, &shutdown);
    let switch = args.service.faults();
    let router = router(
        &args,
        hub,
        experiments,
        Some(injector),
        switch,
        &Limits::default(),
        &shutdown,
    );
    Page { router, dir, shutdown }
}

#[tokio::test]
async fn all_routes_are_described_and_all_that_is_described_is_routed() {
    let page = page();
    let document = check(&page.router, &HEADERS).await;
    let wanted = [
        "DELETE /api/experiments/current",
        "DELETE /api/faults",
        "DELETE /api/faults/{instance}",
        "GET /",
        "GET /api/live",
        "GET /app.css",
        "GET /app.js",
        "GET /favicon.svg",
        "GET /health",
        "GET /metrics",
        "GET /openapi.json",
        "GET /results/{folder}/{file}",
        "POST /api/experiments",
        "POST /api/faults",
        "POST /api/token",
    ];
    assert_eq!(listed(&document, "").iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn random_requests_are_answered_as_described() {
    let page = page();
    let document = check(&page.router, &HEADERS).await;
    for ask in fuzz::cases(&document, &HEADERS) {
        fuzz::answer(&page.router, &document, &ask).await;
    }
    // Names from outside made no files but an experiment's own folder.
    for entry in std::fs::read_dir(page.dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(["results", "data"].contains(&name.to_str().unwrap()), "{name:?}");
    }
}
