//! The result folder: whoever gets it can check it, and nothing in it can be changed unnoticed.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Run, System, tolerancia};

/// Two trials and a baseline of a second take 15 s on a calm machine.
const LONG: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_verified_from_its_files_alone() {
    let system = System::up().await;
    let scenario = system.dir().join("scenario.toml");
    let text = "name = 'folder'\ntrials = 1\nbaseline_s = 1.0\n\
                faults = [{ fault = 'freeze' }, { fault = 'incorrect', product = 'PROD-001' }]\n";
    std::fs::write(&scenario, text).unwrap();
    let out = system.dir().join("out");
    let mut command = system.command(&["experiment", "--seed", "1"]);
    command.arg("--scenario").arg(&scenario).arg("--out").arg(&out);
    let run = Run::within(LONG, command).await;
    assert!(matches!(run.code, Some(0 | 1)), "{run:#?}");
    // From here on nothing runs that could be asked.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    std::fs::rename(&out, &copy).unwrap();
    system.down().await;

    verify(&copy).await.code(0).says("everything agrees");
    let mut command = tolerancia(&["verify", "--json"]);
    command.arg(&copy);
    let verified: Value = serde_json::from_str(&Run::of(command).await.code(0).out).unwrap();
    assert_eq!(
        (&verified["agrees"], &verified["found"]),
        (&true.into(), &Value::Array(Vec::new()))
    );
    assert_eq!(verified["checked"]["trials"], 2);
    assert!(verified["checked"]["answers"].as_u64().unwrap() > 50, "{verified}");

    the_report_is_drawn_again(&copy).await;
    a_changed_answer_is_named(&copy).await;
    an_order_that_is_gone_is_named(&copy).await;

    std::fs::remove_file(copy.join("log.jsonl.zst")).unwrap();
    verify(&copy).await.code(2).says("log.jsonl.zst is missing");
    verify(dir.path()).await.code(2).says("report.json");
}

async fn verify(dir: &Path) -> Run {
    let mut command = tolerancia(&["verify"]);
    command.arg(dir);
    Run::of(command).await
}

async fn the_report_is_drawn_again(dir: &Path) {
    let page = dir.join("report.html");
    let before = std::fs::read(&page).unwrap();
    std::fs::write(&page, "lost").unwrap();
    let mut command = tolerancia(&["report"]);
    command.arg(dir);
    Run::of(command).await.code(0).says(page.to_str().unwrap());
    assert!(std::fs::read(&page).unwrap() == before, "it is another page");
    Run::of(tolerancia(&["report", "/nonexistent"]))
        .await
        .code(2)
        .says("report.json");
}

/// Changes the lines of a compressed file, does something, and puts the file back.
async fn with_lines(dir: &Path, name: &str, change: impl FnOnce(&mut Vec<String>) -> usize, words: &str) {
    let path = dir.join(name);
    let before = std::fs::read(&path).unwrap();
    let text = String::from_utf8(zstd::decode_all(&before[..]).unwrap()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = change(&mut lines);
    let text = lines.join("\n") + "\n";
    std::fs::write(&path, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    verify(dir).await.code(1).says(&format!("{name}:{line}: ")).says(words);
    std::fs::write(&path, before).unwrap();
    verify(dir).await.code(0);
}

async fn a_changed_answer_is_named(dir: &Path) {
    let by_one = |lines: &mut Vec<String>| {
        let is_answer = |line: &String| line.contains(r#""told":{"stock""#);
        let place = lines.iter().position(is_answer).unwrap();
        let mut answer: Value = serde_json::from_str(&lines[place]).unwrap();
        let available = &mut answer["told"]["stock"]["stock"]["available"];
        *available = (available.as_u64().unwrap() + 1).into();
        lines[place] = answer.to_string();
        place + 1
    };
    with_lines(dir, "answers.jsonl.zst", by_one, "the log has").await;
}

async fn an_order_that_is_gone_is_named(dir: &Path) {
    let remove = |lines: &mut Vec<String>| {
        let is_order = |line: &String| line.contains(r#""type":"reserve""#);
        let place = lines.iter().position(is_order).unwrap();
        lines.remove(place);
        place + 1
    };
    with_lines(dir, "log.jsonl.zst", remove, "is missing").await;
}
