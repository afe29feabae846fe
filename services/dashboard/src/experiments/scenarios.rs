//! What can be chosen: the built-in scenario, and the files of a directory.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::results::is_name;

/// The scenario that needs no file.
const CLASSIC: &str = "classic";
const CLASSIC_ABOUT: &str = "All six faults, one at a time, each on a random replica.";
/// So many files are offered.
const MOST: usize = 100;
/// So many entries of the directory are looked at.
const MOST_ENTRIES: usize = 10_000;
/// A file's leading comment is looked for in so many bytes.
const HEAD: u64 = 4 << 10;

/// A scenario that can be chosen, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ScenarioAbout {
    /// Its name: the file's without `.toml`.
    pub name: String,
    /// What it is: the comment at the beginning of the file, on one line.
    pub about: String,
}

/// A scenario that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scenario {
    pub about: ScenarioAbout,
    /// None: it is built in.
    pub file: Option<PathBuf>,
}

/// The scenarios: `classic` first, then those of the directory by name, at most 100. A file of that name takes the place
/// of what is built in. A directory that cannot be read has none. Blocks.
pub(super) fn list(dir: &Path) -> Vec<Scenario> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().take(MOST_ENTRIES);
    let files = entries.filter_map(|entry| scenario(entry.ok()?.path()));
    let mut found: Vec<Scenario> = files.collect();
    if !found.iter().any(|scenario| scenario.about.name == CLASSIC) {
        found.push(Scenario {
            about: ScenarioAbout {
                name: CLASSIC.to_owned(),
                about: CLASSIC_ABOUT.to_owned(),
            },
            file: None,
        });
    }
    found.sort_by(|a, b| {
        let key = |scenario: &Scenario| (scenario.about.name != CLASSIC, scenario.about.name.clone());
        key(a).cmp(&key(b))
    });
    found.truncate(MOST);
    found
}

fn scenario(path: PathBuf) -> Option<Scenario> {
    if path.extension()? != "toml" || !path.metadata().ok()?.is_file() {
        return None;
    }
    let name = path.file_stem()?.to_str().filter(|name| is_name(name))?.to_owned();
    let mut head = Vec::new();
    File::open(&path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let about = comment(&String::from_utf8_lossy(&head));
    Some(Scenario {
        about: ScenarioAbout { name, about },
        file: Some(path),
    })
}

/// The comment at the beginning of a text.
fn comment(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(scenarios: &[Scenario]) -> Vec<&str> {
        scenarios.iter().map(|scenario| scenario.about.name.as_str()).collect()
    }

    #[test]
    fn what_is_built_in_is_there_without_a_directory() {
        let found = list(Path::new("/nonexistent"));
        assert_eq!(names(&found), [CLASSIC]);
        assert_eq!(found[0].file, None);
    }

    #[test]
    fn every_scenario_file_is_offered_with_its_leading_comment() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("b.toml", "# Two\n#  lines.\n\n# No more.\nname = 'x'\n");
        write("a.toml", "name = 'a'");
        write("notes.txt", "# no");
        write(".hidden.toml", "# no");
        std::fs::create_dir(dir.path().join("dir.toml")).unwrap();
        let found = list(dir.path());
        assert_eq!(names(&found), [CLASSIC, "a", "b"]);
        assert_eq!(
            (found[1].about.about.as_str(), found[2].about.about.as_str()),
            ("", "Two lines.")
        );

        write("classic.toml", "# Mine.");
        let found = list(dir.path());
        assert_eq!(names(&found), [CLASSIC, "a", "b"]);
        assert_eq!(found[0].about.about, "Mine.");
        assert_eq!(found[0].file, Some(dir.path().join("classic.toml")));
    }

    #[test]
    fn the_scenarios_of_the_repository_all_say_what_they_are() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let found = list(&dir);
        assert!(found.len() > 5, "{found:?}");
        for scenario in &found {
            assert!(scenario.about.about.len() > 20, "{scenario:?}");
        }
    }
}
