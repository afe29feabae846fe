#![allow(clippy::unwrap_used)]

mod damage;
mod forms;
mod mutated;
mod tamper;
mod world;

use super::*;
use world::{World, rewrite};

#[test]
fn a_folder_as_it_was_written_agrees() {
    let (dir, world) = World::written();
    let verified = verify(dir.path()).unwrap();
    assert!(verified.agrees, "{verified}");
    let expected = Checked {
        requests: world.observations.len() as u64,
        answers: 3,
        orders_acknowledged: 4,
        records: 8,
        unreadable_records: 1,
        events: 2,
        trials: 1,
        ..Checked::default()
    };
    assert_eq!(verified.checked, expected);
    assert!(verified.to_string().ends_with("everything agrees"), "{verified}");
}

#[test]
fn the_scenario_loads_again_and_the_command_stands_above_it() {
    let (dir, world) = World::written();
    let path = dir.path().join(SCENARIO);
    assert_eq!(crate::scenario::load(&path).unwrap(), world.scenario);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.lines().nth(1).unwrap().contains("tolerancia experiment --seed 1"),
        "{text}"
    );
}

#[test]
fn the_same_answers_are_the_same_file_in_whatever_order_they_came() {
    let mut world = World::good();
    // Two that nothing but their text tells apart.
    let mut twin = world.observations[0].clone();
    twin.told = None;
    world.observations.push(twin);
    let dir = tempfile::tempdir().unwrap();
    let written = crate::experiment::record::tests::stamp(1);
    let mut bytes = || {
        answers::write(dir.path(), &world.observations, 2, written).unwrap();
        let bytes = std::fs::read(dir.path().join(ANSWERS)).unwrap();
        world.observations.reverse();
        bytes
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn an_experiment_that_was_cut_short_leaves_a_partial_folder_and_nothing_of_an_older_one() {
    let (dir, mut world) = World::written();
    world.report["verdict"] = "aborted".into();
    world.report["oracle"]["complete"] = false.into();
    world.write(dir.path(), false);
    assert!(!dir.path().join(LOG).exists());
    for name in [SCENARIO, EVENTS, ANSWERS] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
    let error = verify(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is partial") && error.contains("interrupted"), "{error}");
    assert!(error.contains("`tolerancia experiment --seed 1`"), "{error}");
    // A log of somebody else's makes it no better.
    let (other, _) = World::written();
    std::fs::copy(other.path().join(LOG), dir.path().join(LOG)).unwrap();
    assert!(matches!(verify(dir.path()), Err(ArchiveError::Partial { .. })));
}

#[test]
fn a_report_without_files_is_partial_however_it_ended() {
    let (dir, mut world) = World::written();
    for verdict in ["pass", "error", "aborted"] {
        world.report["verdict"] = verdict.into();
        world.report.as_object_mut().unwrap().remove("files");
        world.write_report(dir.path());
        assert!(
            matches!(verify(dir.path()), Err(ArchiveError::Partial { .. })),
            "{verdict}"
        );
    }
}

#[test]
fn nothing_of_an_older_experiment_stays() {
    let (dir, _) = World::written();
    std::fs::write(dir.path().join(format!(".{LOG}.part")), b"half").unwrap();
    std::fs::write(dir.path().join("mine.txt"), b"kept").unwrap();
    remove(dir.path(), None).unwrap();
    remove(dir.path(), None).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["mine.txt", "report.json"]);
}

#[test]
fn a_log_with_gaps_of_its_own_agrees() {
    let mut world = World::good();
    // A broker that keeps its own markers among the records: at the beginning, in the middle, and at the end.
    world.log.ends = [(0, 20), (1, 9), (2, 0), (3, 4)].into();
    for record in world.log.records.iter_mut().filter(|record| record.partition == 1) {
        record.offset += 3 + 2 * record.offset;
    }
    // The order of the other partition is confirmed at another version now.
    world.confirm_d_at(6);
    let dir = world.folder();
    let verified = verify(dir.path()).unwrap();
    assert!(verified.agrees, "{verified}");
    // What is missing beside the gaps is found all the same.
    let mut lines = world::read(dir.path(), LOG);
    lines.remove(2);
    rewrite(dir.path(), LOG, &lines);
    let verified = verify(dir.path()).unwrap();
    let first = verified.found.iter().find(|found| found.file == LOG).unwrap();
    assert_eq!(first.what, "the record of partition 0 at offset 1 is missing");
}

#[test]
fn gaps_that_are_too_many_to_list_are_counted() {
    let mut world = World::good();
    for record in world.log.records.iter_mut().filter(|record| record.partition == 1) {
        record.offset += 1;
    }
    world.confirm_d_at(2);
    // One order of nothing at every second offset is more gaps than there may be.
    let filler = world.log.records[0].clone();
    world.log.records.extend((10..20_100).map(|n| tolerancia_bus::Message {
        partition: 1,
        offset: 2 * n,
        payload: b"filler".to_vec(),
        ..filler.clone()
    }));
    world.log.ends.insert(1, 50_000);
    world.report["oracle"]["records"] = world.log.records.len().into();
    world.report["oracle"]["unreadable_records"] = 20_091.into();
    let dir = world.folder();
    let verified = verify(dir.path()).unwrap();
    assert!(verified.agrees, "{verified}");
    let mut lines = world::read(dir.path(), LOG);
    assert!(lines[0].contains("\"gaps\":null"), "{}", &lines[0][..200]);
    lines.pop();
    rewrite(dir.path(), LOG, &lines);
    assert!(!verify(dir.path()).unwrap().agrees);
}
