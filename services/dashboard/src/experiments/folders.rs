//! What earlier experiments have left: the folders of the results directory.
//!
//! Experiments are started elsewhere too, so the directory is looked at from time to time; a report is read only when
//! its file has changed. All that happens on threads that may block.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Tell;
use super::state::Verdict;
use crate::browser::BrowserEvent;
use crate::results::{HTML, JSON, is_name, open_file};

/// Between two looks.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// So many folders are told, the newest.
const MOST: usize = 200;
/// So many entries of the directory are looked at.
const MOST_ENTRIES: usize = 10_000;
/// A larger file is no report that a page should show.
const MOST_BYTES: u64 = 64 << 20;
/// Texts of a report that are longer are cut.
const MOST_TEXT: usize = 200;
/// The directory is read again while its last change is so recent that another one may have the same time.
const RECENT: Duration = Duration::from_secs(10);

/// A folder of results. What its report does not say, or when it has none that can be read, is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Folder {
    /// Its name.
    pub name: String,
    /// When the experiment began, RFC 3339.
    pub started_at: Option<Timestamp>,
    /// Its scenario.
    pub scenario: Option<String>,
    /// Whether all objectives were met; null while it runs, and when it was interrupted or not carried out.
    pub verdict: Option<Verdict>,
    /// How long it took, seconds.
    pub duration_s: Option<f64>,
    /// Seed of everything that was random.
    pub seed: Option<u64>,
    /// Whether there is a page to look at.
    pub report: bool,
}

/// What is wanted of `report.json`; it may have megabytes of trials besides.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Head {
    verdict: Option<String>,
    started_at: Option<String>,
    scenario: Option<String>,
    duration_s: Option<f64>,
    seed: Option<u64>,
}

impl Head {
    /// Reads the report in a folder. Blocks.
    ///
    /// # Errors
    /// When there is none, when it is too large, or is no report.
    pub(super) fn read(dir: &Path, folder: &str) -> io::Result<Self> {
        let file = open_file(dir, folder, JSON)?;
        if file.metadata()?.len() > MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // It may grow meanwhile.
        Ok(serde_json::from_reader(BufReader::new(file.take(MOST_BYTES)))?)
    }

    /// What came out, where something did.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict.as_deref().and_then(Verdict::of)
    }
}

/// One version of a file: when it was changed, its length, and which file it is, as reports are replaced by others.
#[derive(Debug, Clone, PartialEq)]
struct Version(SystemTime, u64, u64);

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let is_file = |metadata: &Metadata| metadata.is_file();
        let metadata = path.symlink_metadata().ok().filter(is_file)?;
        Some(Self(metadata.modified().ok()?, metadata.len(), metadata.ino()))
    }
}

/// A folder that was found.
#[derive(Debug)]
struct Seen {
    /// When something was last made in it.
    changed: SystemTime,
    json: Option<Version>,
    html: bool,
    head: Head,
}

/// The folders of one directory.
#[derive(Debug)]
struct Folders {
    dir: PathBuf,
    /// When the directory was changed last.
    changed: Option<SystemTime>,
    seen: HashMap<String, Seen>,
    /// What was told last.
    told: Option<Vec<Folder>>,
}

impl Folders {
    fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            changed: None,
            seen: HashMap::new(),
            told: None,
        }
    }

    /// Looks at the directory, and tells if there is news. Blocks.
    fn news(&mut self, now: SystemTime) -> Option<Vec<Folder>> {
        let changed = std::fs::metadata(&self.dir).and_then(|metadata| metadata.modified());
        let changed = changed.ok();
        let is_recent = |at: SystemTime| now.duration_since(at).map_or(true, |ago| ago < RECENT);
        if changed.is_none_or(|at| is_recent(at) || Some(at) != self.changed) {
            self.list();
            self.changed = changed;
        }
        for (name, seen) in &mut self.seen {
            let (place, before) = (self.dir.join(name), seen.json.take());
            (seen.json, seen.html) = (Version::of(&place.join(JSON)), Version::of(&place.join(HTML)).is_some());
            if seen.json != before {
                // What cannot be read says nothing.
                seen.head = Head::read(&self.dir, name).unwrap_or_default();
            }
        }
        let folders = self.folders();
        let is_news = self.told.as_ref() != Some(&folders);
        is_news.then(|| self.told.insert(folders).clone())
    }

    /// Finds the newest folders that look like an experiment's.
    fn list(&mut self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().take(MOST_ENTRIES);
        let folder = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok().filter(|name| is_name(name))?;
            // Of a link, this is the link's own.
            let metadata = entry.metadata().ok().filter(Metadata::is_dir)?;
            let has = |file: &str| Version::of(&entry.path().join(file)).is_some();
            (has(JSON) || has(HTML)).then_some((metadata.modified().ok()?, name))
        };
        let mut found: Vec<(SystemTime, String)> = entries.filter_map(folder).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(MOST);
        let mut before = std::mem::take(&mut self.seen);
        for (changed, name) in found {
            let known = before.remove(&name);
            let seen = known.unwrap_or(Seen {
                changed,
                json: None,
                html: false,
                head: Head::default(),
            });
            self.seen.insert(name, Seen { changed, ..seen });
        }
    }

    /// What is known, the newest first.
    fn folders(&self) -> Vec<Folder> {
        let mut folders: Vec<(Timestamp, Folder)> = self.seen.iter().map(|(name, seen)| folder(name, seen)).collect();
        folders.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| other.name.cmp(&one.name)));
        folders.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// A folder, and how new it is.
fn folder(name: &str, seen: &Seen) -> (Timestamp, Folder) {
    let head = &seen.head;
    let started_at = head.started_at.as_deref().and_then(|text| text.parse().ok());
    let short = |text: &String| text.chars().take(MOST_TEXT).collect();
    let folder = Folder {
        name: name.to_owned(),
        started_at,
        scenario: head.scenario.as_ref().map(short),
        verdict: head.verdict(),
        duration_s: head.duration_s,
        seed: head.seed,
        report: seen.html,
    };
    let changed = || Timestamp::try_from(seen.changed).unwrap_or_default();
    (started_at.unwrap_or_else(changed), folder)
}

/// Tells of the folders at once, every 5 s if there is news, and when `look` says so, until `shutdown`.
pub(super) async fn watch(dir: PathBuf, tell: &Tell, mut look: mpsc::Receiver<()>, shutdown: &CancellationToken) {
    let mut folders = Folders::new(dir);
    loop {
        let looked = tokio::task::spawn_blocking(move || {
            let news = folders.news(SystemTime::now());
            (folders, news)
        });
        let Ok((back, news)) = looked.await else {
            tracing::error!("the results are no longer looked at: a defect, please report it");
            return;
        };
        folders = back;
        if let Some(news) = news {
            tell(BrowserEvent::Folders(news));
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
            Some(()) = look.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(dir: &Path, folder: &str, json: &str) {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(JSON), json).unwrap();
        std::fs::write(folder.join(HTML), "").unwrap();
    }

    fn report(verdict: &str, started_at: &str) -> String {
        format!(
            r#"{{"schema":1,"verdict":"{verdict}","started_at":"{started_at}","duration_s":12.5,"seed":7,
               "scenario":"classic","faults":[{{"x":[1,2,{{}}]}}],"notes":["a"]}}"#
        )
    }

    fn names(folders: &[Folder]) -> Vec<&str> {
        folders.iter().map(|folder| folder.name.as_str()).collect()
    }

    fn now() -> SystemTime {
        SystemTime::now()
    }

    #[test]
    fn folders_come_with_what_their_reports_say_the_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "b", &report("pass", "2026-01-01T00:00:00.5Z"));
        write(dir.path(), "a", &report("fail", "2026-01-02T00:00:00Z"));
        write(dir.path(), "c", &report("aborted", "2025-01-01T00:00:00Z"));
        let folders = Folders::new(dir.path().to_owned()).news(now()).unwrap();
        assert_eq!(names(&folders), ["a", "b", "c"]);
        let verdicts: Vec<_> = folders.iter().map(|folder| folder.verdict).collect();
        assert_eq!(verdicts, [Some(Verdict::Fail), Some(Verdict::Pass), None]);
        let json = serde_json::to_value(&folders[1]).unwrap();
        let expected = serde_json::json!({"name": "b", "started_at": "2026-01-01T00:00:00.5Z", "scenario": "classic",
            "verdict": "pass", "duration_s": 12.5, "seed": 7, "report": true});
        assert_eq!(json, expected);
    }

    #[test]
    fn what_is_no_folder_of_an_experiment_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        write(path, ".hidden", &report("pass", ""));
        std::fs::create_dir(path.join("empty")).unwrap();
        std::fs::write(path.join("file"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        write(elsewhere.path(), "x", &report("pass", ""));
        std::os::unix::fs::symlink(elsewhere.path().join("x"), path.join("link")).unwrap();
        assert_eq!(Folders::new(path.to_owned()).news(now()), Some(Vec::new()));
        assert_eq!(Folders::new(path.join("nowhere")).news(now()), Some(Vec::new()));
    }

    #[test]
    fn a_report_that_says_nothing_is_a_folder_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for (name, json) in [("a", "nonsense"), ("b", "{}"), ("c", "[]"), ("d", r#"{"seed":"x"}"#)] {
            write(dir.path(), name, json);
        }
        let large = std::fs::File::create(dir.path().join("a").join(JSON)).unwrap();
        large.set_len(MOST_BYTES + 1).unwrap();
        let folders = Folders::new(dir.path().to_owned()).news(now()).unwrap();
        assert_eq!(folders.len(), 4);
        for folder in folders {
            assert!(folder.report && folder.started_at.is_none() && folder.verdict.is_none());
        }
    }

    #[test]
    fn only_news_is_told_and_no_change_is_overlooked() {
        let dir = tempfile::tempdir().unwrap();
        let mut folders = Folders::new(dir.path().to_owned());
        // So late that the directory's time alone tells of a change.
        let late = || now() + 2 * RECENT;
        assert_eq!(folders.news(late()), Some(Vec::new()));
        assert_eq!(folders.news(late()), None);
        write(dir.path(), "a", &report("aborted", "2026-01-01T00:00:00Z"));
        assert_eq!(names(&folders.news(late()).unwrap()), ["a"]);
        assert_eq!(folders.news(late()), None);
        // The report is replaced at the end; nothing of that is seen in the directory itself.
        let part = dir.path().join("a/.part");
        std::fs::write(&part, report("pass", "2026-01-01T00:00:00Z")).unwrap();
        std::fs::rename(&part, dir.path().join("a").join(JSON)).unwrap();
        assert_eq!(folders.news(late()).unwrap()[0].verdict, Some(Verdict::Pass));
        std::fs::remove_file(dir.path().join("a").join(HTML)).unwrap();
        assert!(!folders.news(late()).unwrap()[0].report);
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        assert_eq!(folders.news(now()), Some(Vec::new()));
    }

    #[test]
    fn there_are_never_more_than_a_page_can_show() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MOST + 10 {
            write(dir.path(), &format!("{number:03}"), "{}");
        }
        let folders = Folders::new(dir.path().to_owned()).news(now()).unwrap();
        assert_eq!(folders.len(), MOST);
        let oldest: Vec<_> = folders.iter().filter(|folder| folder.name == "000").collect();
        assert!(oldest.is_empty(), "the newest are told");
    }
}
