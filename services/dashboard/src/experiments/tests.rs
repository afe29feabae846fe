//! Real processes: a shell in the place of `tolerancia experiment`, which does what its scenario file says.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::state::{Step, Verdict};
use super::*;

/// Generous: a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Writes its arguments and its token down, then does what the scenario says.
const PROGRAM: &str = r#"#!/bin/sh
for word; do
  case $word in
    --out=*) out=${word#--out=} ;;
    --scenario=*) scenario=${word#--scenario=} ;;
  esac
done
printf '%s\n' "$@" "token=${FAULT_TOKEN-none}" > "$out/arguments"
report() { printf '{"verdict":"%s","scenario":"x"}' "$1" > "$out/report.json"; }
say() { printf '%s\n' "$*" >&2; }
. "$scenario"
"#;

/// Waits until it is told to stop, then cleans up.
const PATIENT: &str = r#"
trap 'kill $!; say "clean"; echo >> "$out/interrupts"; report aborted; exit 130' INT
sleep 600 & say '{"step":"trials","done":1,"of":9,"left_s":5,"text":"waiting"}'
wait
"#;

/// The shell as a program. It is written once, before any test starts a process: a file that is being written cannot
/// be executed, and a process that is started meanwhile would keep it open.
fn program() -> PathBuf {
    static PROGRAM_FILE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = PROGRAM_FILE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("program");
        std::fs::write(&file, PROGRAM).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        dir
    });
    dir.path().join("program")
}

struct Lab {
    dir: tempfile::TempDir,
    experiments: Experiments,
    events: mpsc::UnboundedReceiver<BrowserEvent>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Lab {
    /// With these scenarios.
    fn new(scenarios: &[(&str, &str)]) -> Self {
        Self::with(scenarios, |_| {})
    }

    fn with(scenarios: &[(&str, &str)], adjust: impl FnOnce(&mut ExperimentSettings)) -> Self {
        Self::patient(LIMIT, scenarios, adjust)
    }

    fn patient(grace: Duration, scenarios: &[(&str, &str)], adjust: impl FnOnce(&mut ExperimentSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scenarios_dir = dir.path().join("scenarios");
        std::fs::create_dir(&scenarios_dir).unwrap();
        for (name, text) in scenarios {
            std::fs::write(scenarios_dir.join(format!("{name}.toml")), text).unwrap();
        }
        let mut settings = ExperimentSettings {
            program: program(),
            results_dir: dir.path().join("results"),
            scenarios_dir,
            base_port: 7001,
            replicas: 3,
            fault_token: None,
            enabled: true,
        };
        adjust(&mut settings);
        let (sender, events) = mpsc::unbounded_channel();
        // A test that is over does not listen.
        let tell = move |event| drop(sender.send(event));
        let experiments = Experiments::telling(settings, grace, Box::new(tell));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(experiments.clone().run(shutdown.clone()));
        Self {
            dir,
            experiments,
            events,
            shutdown,
            running,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = routes(self.experiments.clone())
            .into_router()
            .oneshot(request)
            .await
            .unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn start(&self, body: Value) -> (StatusCode, Value) {
        self.ask("POST", "/api/experiments", body).await
    }

    async fn stop(&self) -> (StatusCode, Value) {
        self.ask("DELETE", "/api/experiments/current", Value::Null).await
    }

    /// Waits until the page is told something.
    async fn told<T>(&mut self, mut look: impl FnMut(BrowserEvent) -> Option<T>) -> T {
        let told = async {
            loop {
                let event = self.events.recv().await.expect("it is told for as long as it runs");
                if let Some(found) = look(event) {
                    return found;
                }
            }
        };
        timeout(LIMIT, told).await.unwrap()
    }

    /// Waits until it is told of such an experiment.
    async fn state(&mut self, is_it: impl Fn(&ExperimentState) -> bool) -> ExperimentState {
        let state = |event| match event {
            BrowserEvent::Experiment(state) => state.filter(&is_it),
            _ => None,
        };
        self.told(state).await
    }

    async fn end(&mut self) -> ExperimentState {
        self.state(|state| !state.running).await
    }

    fn read(&self, folder: &str, file: &str) -> String {
        let file = self.dir.path().join("results").join(folder).join(file);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    async fn down(self) {
        self.shutdown.cancel();
        timeout(LIMIT, self.running).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_experiment_is_started_followed_and_judged() {
    let script = r#"
        say '{"step":"starting","seed":7,"text":"experiment x, seed 7"}'
        say '{"step":"trials","done":2,"of":3,"left_s":4,"text":"trial 3"}'
        : > "$out/report.html"
        report pass; exit 0
    "#;
    let mut lab = Lab::with(&[("x", script)], |settings| {
        settings.fault_token = Some("secret".to_owned().into());
    });
    let wish = json!({"scenario": "x", "quick": true, "trials": 3, "seed": 7});
    let (status, begun) = lab.start(wish).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    assert_eq!(
        (&begun["running"], &begun["step"], &begun["scenario"], &begun["quick"]),
        (&json!(true), &json!("starting"), &json!("x"), &json!(true))
    );
    let ended = lab.end().await;
    assert_eq!(
        (ended.exit_code, ended.verdict, ended.error),
        (Some(0), Some(Verdict::Pass), None)
    );
    assert_eq!(
        (ended.step, ended.done, ended.of, ended.seed),
        (Step::Ended, 2, 3, Some(7))
    );
    assert_eq!(ended.lines, ["experiment x, seed 7", "trial 3"]);
    let folder = lab
        .told(|event| match event {
            BrowserEvent::Folders(folders) => folders.into_iter().next(),
            _ => None,
        })
        .await;
    assert_eq!(
        (folder.name.as_str(), folder.verdict),
        (ended.folder.as_str(), Some(Verdict::Pass))
    );

    let arguments = lab.read(&ended.folder, "arguments");
    for wanted in [
        "experiment",
        "--progress=json",
        "--running",
        "--stop-with-stdin",
        "--base-port=7001",
        "--replicas=3",
        "--quick",
        "--trials=3",
        "--seed=7",
        "token=secret",
    ] {
        assert!(
            arguments.lines().any(|line| line == wanted),
            "no {wanted} in {arguments}"
        );
    }
    lab.down().await;
}

#[tokio::test]
async fn there_is_one_at_a_time_and_it_is_asked_to_stop_once() {
    let mut lab = Lab::new(&[("x", PATIENT)]);
    let (status, problem) = lab.stop().await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    lab.start(json!({"scenario": "x"})).await;
    let begun = lab.state(|state| state.step == Step::Trials).await;
    let (status, problem) = lab.start(json!({"scenario": "classic"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&begun.folder) && detail.contains("stop it"), "{detail}");
    for _ in 0..3 {
        // It may have ended before the last of them.
        let (status, _) = lab.stop().await;
        assert!(
            matches!(status, StatusCode::ACCEPTED | StatusCode::NOT_FOUND),
            "{status}"
        );
    }
    let ended = lab.end().await;
    assert_eq!((ended.exit_code, ended.verdict, ended.error), (Some(130), None, None));
    assert!(ended.lines.iter().any(|line| line == "clean"), "{:?}", ended.lines);
    assert_eq!(lab.read(&ended.folder, "interrupts").lines().count(), 1);

    // And the next one may begin.
    let (status, _) = lab.start(json!({"scenario": "x"})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    lab.down().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_nothing_is_started() {
    let lab = Lab::new(&[("x", "exit 0")]);
    for (wish, status, word) in [
        (json!({"scenario": "none"}), 422, "`scenario`"),
        (json!({"scenario": "../scenarios/x"}), 422, "`scenario`"),
        (json!({"scenario": "x.toml"}), 422, "`scenario`"),
        (json!({"scenario": ""}), 422, "`scenario`"),
        (json!({"scenario": "x", "trials": 0}), 422, "`trials`"),
        (json!({"scenario": "x", "trials": 1001}), 422, "`trials`"),
        (json!({"scenario": "x", "trials": -1}), 422, "`trials`"),
        (json!({"scenario": "x", "trials": "3"}), 400, "trials"),
        (json!({"scenario": "x", "seed": -1}), 400, "seed"),
        (json!({"scenario": "x", "out": "/"}), 400, "out"),
        (json!({"quick": true}), 400, "scenario"),
    ] {
        let (actual, problem) = lab.start(wish.clone()).await;
        assert_eq!(actual.as_u16(), status, "{wish}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{wish}: {detail}");
    }
    assert!(!lab.dir.path().join("results").exists());
    lab.down().await;

    let off = Lab::with(&[("x", "exit 0")], |settings| settings.enabled = false);
    let (status, problem) = off.start(json!({"scenario": "x"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        problem["detail"].as_str().unwrap().contains("EXPERIMENTS=on"),
        "{problem}"
    );
    off.down().await;
}

#[tokio::test]
async fn a_failure_is_told_in_its_own_words_and_leaves_no_empty_folder() {
    let script = r#"rm "$out/arguments"; say using a system; say "error: the scenario is about 5 replicas"; exit 2"#;
    let mut lab = Lab::new(&[("x", script)]);
    lab.start(json!({"scenario": "x"})).await;
    let ended = lab.end().await;
    assert_eq!(ended.exit_code, Some(2));
    assert_eq!(ended.error.as_deref(), Some("the scenario is about 5 replicas"));
    assert!(!lab.dir.path().join("results").join(&ended.folder).exists());

    // A program that is not there.
    let none = Lab::with(&[("x", "")], |settings| settings.program = "/nonexistent".into());
    let (status, problem) = none.start(json!({"scenario": "x"})).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        problem["detail"].as_str().unwrap().contains("cannot be started"),
        "{problem}"
    );
    let left = std::fs::read_dir(none.dir.path().join("results")).unwrap();
    assert_eq!(left.count(), 0, "an empty folder is left");
    none.down().await;
    lab.down().await;
}

#[tokio::test]
async fn a_shutdown_lets_the_experiment_clean_up() {
    let mut lab = Lab::new(&[("x", PATIENT)]);
    lab.start(json!({"scenario": "x"})).await;
    let begun = lab.state(|state| state.step == Step::Trials).await;
    let (dir, folder) = (lab.dir.path().to_owned(), begun.folder);
    let report = |dir: &Path| std::fs::read_to_string(dir.join("results").join(&folder).join("report.json"));
    let kept = std::mem::replace(&mut lab.dir, tempfile::tempdir().unwrap());
    lab.down().await;
    assert!(report(&dir).unwrap().contains("aborted"));
    drop(kept);
}

#[tokio::test]
async fn one_that_does_not_end_in_time_is_let_go_and_cleans_up_by_itself() {
    let slow = r#"
        trap '' INT PIPE; say '{"step":"trials","text":"deaf"}'
        cat
        say "it is not read any more"
        echo clean > "$out/end"
    "#;
    let mut lab = Lab::patient(Duration::from_millis(100), &[("x", slow)], |_| {});
    lab.start(json!({"scenario": "x"})).await;
    let begun = lab.state(|state| state.step == Step::Trials).await;
    let dir = std::mem::replace(&mut lab.dir, tempfile::tempdir().unwrap());
    let file = dir.path().join("results").join(begun.folder).join("end");
    lab.down().await;
    // Its standard input has ended, and nothing else has.
    let cleaned = async {
        while !std::fs::read_to_string(&file).is_ok_and(|text| text == "clean\n") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, cleaned).await.expect("it was not killed");
}

#[tokio::test]
async fn much_talk_is_told_seldom() {
    let script = r#"
        i=0
        while [ $i -lt 2000 ]; do say '{"step":"trials","text":"x"}'; i=$((i + 1)); done
        report fail; exit 1
    "#;
    let mut lab = Lab::new(&[("x", script)]);
    let began = std::time::Instant::now();
    lab.start(json!({"scenario": "x"})).await;
    let mut told = 0;
    let ended = lab
        .told(|event| match event {
            BrowserEvent::Experiment(Some(state)) => {
                told += 1;
                (!state.running).then_some(state)
            }
            _ => None,
        })
        .await;
    assert_eq!((ended.exit_code, ended.verdict), (Some(1), Some(Verdict::Fail)));
    // Its beginning and its end, and four times a second.
    let most = 3 + began.elapsed().as_millis() / 250;
    assert!(told <= most, "told {told} times, at most {most}");
    lab.down().await;
}
