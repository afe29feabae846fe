//! What holds for the workspace holds for each of its crates only if the crate says so. Does each?

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The manifests of all crates of the workspace.
fn members() -> Vec<PathBuf> {
    let root = read(&Path::new(ROOT).join("Cargo.toml"));
    let line = root.lines().find_map(|line| line.strip_prefix("members = "));
    let names = line.expect("the members are on one line").split('"').skip(1).step_by(2);
    let mut found = Vec::new();
    for name in names {
        match name.strip_suffix("/*") {
            Some(folder) => {
                let folder = Path::new(ROOT).join(folder);
                let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
                found.extend(entries.map(|entry| entry.expect("a folder can be read").path().join("Cargo.toml")));
            }
            None => found.push(Path::new(ROOT).join(name).join("Cargo.toml")),
        }
    }
    found.retain(|manifest| manifest.exists());
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The lines of a table of a manifest.
fn table<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != format!("[{name}]"));
    lines.next();
    lines.take_while(|line| !line.starts_with('[')).map(str::trim).collect()
}

#[test]
fn every_crate_forbids_unsafe_code_and_says_its_licence() {
    let root = read(&Path::new(ROOT).join("Cargo.toml"));
    assert!(table(&root, "workspace.lints.rust").contains(&r#"unsafe_code = "forbid""#));
    let members = members();
    assert!(members.len() >= 13, "{members:?}");
    for path in members {
        let manifest = read(&path);
        assert_eq!(
            table(&manifest, "lints").first(),
            Some(&"workspace = true"),
            "{path:?} does not take over the workspace's lints: it needs [lints] workspace = true"
        );
        let package = table(&manifest, "package");
        for line in ["license.workspace = true", "publish.workspace = true"] {
            assert!(package.contains(&line), "{path:?} lacks {line}");
        }
    }
}
