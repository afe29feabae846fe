//! What may lie where a scenario is expected.

use super::*;

fn refused(path: &Path) -> String {
    load(path).unwrap_err().to_string()
}

#[test]
fn what_is_not_a_file_of_a_sensible_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refused(&dir.path().join("missing.toml")).contains("missing.toml"));
    assert!(refused(dir.path()).contains("not a file"));
    assert!(refused(Path::new("/dev/zero")).contains("not a file"));
    let large = dir.path().join("large.toml");
    std::fs::File::create(&large).unwrap().set_len(10 << 30).unwrap();
    let told = refused(&large);
    assert!(told.contains("large.toml") && told.contains("1 MiB"), "{told}");
}

/// Opening a named pipe without a writer waits for one.
#[test]
fn a_named_pipe_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.toml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(refused(&pipe).contains("not a file"));
}

#[test]
fn what_is_not_text_has_a_place_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("latin1.toml");
    std::fs::write(&file, b"name = 'x'\n# caf\xe9\nfaults = []").unwrap();
    let told = refused(&file);
    assert!(told.contains("latin1.toml:2:6: ") && told.contains("UTF-8"), "{told}");
    // A file that ends in the middle of a character.
    std::fs::write(&file, b"name = '\xc3").unwrap();
    assert!(refused(&file).contains("latin1.toml:1:9: "));
}

#[test]
fn an_empty_file_has_a_place_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.toml");
    std::fs::write(&file, b"").unwrap();
    let told = refused(&file);
    assert!(told.contains("empty.toml:1:1: the file is empty"), "{told}");
}

/// A file that is cut off anywhere is a scenario, or has a place where it is none; nothing panics.
#[test]
fn a_truncated_file_is_told_with_a_place() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/classic.toml");
    let bytes = std::fs::read(path).unwrap();
    for end in 0..bytes.len() {
        if let Err(error) = file::read("x.toml", &bytes[..end]) {
            assert!(matches!(error, ScenarioError::Wrong { .. }), "{error}");
        }
    }
}
