//! What is done to files.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Set: every length and every byte, not only some. 270,000 files, 3 minutes on two cores with `--release`.
const EVERY_BYTE: &str = "EVERY_BYTE";
/// redb's header is in front; whatever it does with a file begins there.
const HEADER_LENGTH: usize = 512;

fn samples() -> [Sample; 2] {
    [false, true].map(|killed| Sample::new(12, &[8, 15], killed))
}

/// One bit of a byte, another one for each of its neighbours.
fn flip(at: usize) -> Damage {
    Damage::Flips(vec![(at, u8::try_from(at * 5 % 8).unwrap())])
}

#[test]
fn no_cut_and_no_flipped_bit_makes_a_wrong_state() {
    let all = std::env::var_os(EVERY_BYTE).is_some();
    for (sample, how) in samples().iter().zip(["closed", "killed"]) {
        let length = sample.file.len();
        let at_a_border = |at: usize| at % PAGE < 2 || at % PAGE == PAGE - 1;
        // Every byte of the header, and of the rest every page's borders and one byte in 47.
        let cuts = (0..=length).filter(|&at| all || at_a_border(at) || at % 257 == 0);
        let flips = (0..length).filter(|&at| all || at_a_border(at) || at < HEADER_LENGTH || at % 47 == 0);
        let cuts: Vec<_> = cuts.map(Damage::Cut).collect();
        let flips: Vec<_> = flips.map(flip).collect();

        let found = do_all(sample, &cuts);
        println!("{how}, {} of {length} bytes cut: states found {found:?}", cuts.len());
        // Only the whole file has its state; there is nothing to be found in half of it.
        assert_eq!(found.last(), Some(&0));
        assert_eq!(found.iter().sum::<usize>() - found[0], 1, "{found:?}");

        let found = do_all(sample, &flips);
        println!(
            "{how}, a bit of {} of {length} bytes flipped: states found {found:?}",
            flips.len()
        );
        assert_eq!(found.last(), Some(&0));
        assert!(found[0] > 0 && found[2] > 0, "all or nothing was damaged: {found:?}");
    }
}

#[test]
fn pages_that_are_lost_old_or_exchanged_make_no_wrong_state() {
    for sample in samples() {
        let pages = sample.file.len() / PAGE;
        let swaps = (0..pages).flat_map(|one| (0..one).map(move |other| Damage::Swap(one, other)));
        let all: Vec<_> = swaps
            .chain((0..pages).map(Damage::Zero))
            .chain((0..pages).map(Damage::Stale))
            .collect();
        do_all(&sample, &all);
    }
}

#[test]
fn what_is_no_snapshot_is_no_state() {
    let sample = Sample::new(12, &[8, 15], false);
    let dir = memory();
    quiet();
    let mut files = vec![Vec::new(), vec![0], vec![0xff; 100_000], vec![0; 100_000]];
    // A beginning that is right, and nothing else that is.
    files.push([&sample.file[..HEADER_LENGTH], &[0x5a; 60_928][..]].concat());
    files.push([&sample.file[..], &[0; 4096][..]].concat());
    for bytes in files {
        let found = sample.survive(dir.path(), &bytes);
        assert!(matches!(found, Ok(0..3)), "{} bytes: {found:?}", bytes.len());
    }

    for name in ["", "something"] {
        let dir = memory();
        let path = dir.path().join(FILE);
        fs::create_dir_all(path.join(name)).unwrap();
        for _ in 0..2 {
            // Twice: what was set aside before makes room.
            let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
            assert_eq!(sample.knows(&restored), Some(0));
            drop(snapshot);
            fs::remove_file(&path).unwrap();
            fs::create_dir_all(path.join(name)).unwrap();
        }
    }
}

/// Saves as the engine and the saver do: what is refused is tried again, and where changes do not help, everything
/// does. None: a few attempts did not suffice.
fn save(snapshot: &Snapshot, replica: &mut Replica) -> Option<Delta> {
    let mut delta = replica.take_delta();
    for _ in 0..6 {
        match snapshot.save(&delta) {
            Ok(()) => return Some(delta),
            Err(NotSaved::Refused(_)) => {}
            Err(NotSaved::Baseless(_)) => {
                replica.forget_saved();
                delta = replica.take_delta();
            }
        }
    }
    None
}

fn several_flips() -> impl Strategy<Value = Vec<(usize, u8)>> {
    vec((0usize..61_440, 0u8..8), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn several_flips_make_no_wrong_state(flips in several_flips(), killed: bool) {
        thread_local! { static SAMPLES: [Sample; 2] = samples(); }
        quiet();
        let dir = memory();
        SAMPLES.with(|samples| {
            let sample = &samples[usize::from(killed)];
            let damage = Damage::Flips(flips);
            sample.survive(dir.path(), &damage.done_to(sample)).map_err(TestCaseError::fail)
        })?;
    }

    #[test]
    fn a_file_that_is_damaged_while_it_is_in_use_makes_no_wrong_state(
        flips in several_flips(), ends in vec(1usize..18, 3), reopened: bool, killed: bool,
    ) {
        quiet();
        let (dir, other) = (memory(), memory());
        let path = dir.path().join(FILE);
        let log = log(12);
        let mut ends = ends;
        ends.sort_unstable();
        let mut states = vec![Restored::default()];
        let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
        let mut running = replica(restored, &[]);
        let mut read = 0;
        for (step, end) in ends.into_iter().enumerate() {
            for message in &log[read.min(end)..end] {
                running.apply(message);
            }
            read = end;
            if step == 1 {
                let mut bytes = fs::read(&path).unwrap();
                let length = bytes.len();
                flips.iter().for_each(|(at, bit)| bytes[at % length] ^= 1 << bit);
                // Into the same file, which redb has open.
                fs::write(&path, bytes).unwrap();
                if reopened {
                    // As after a write that failed.
                    snapshot.file.lock().unwrap().close();
                }
            }
            let saved = save(&snapshot, &mut running);
            states.push(as_restored(&saved.expect("the disk takes everything"), &log));
        }
        states.push(as_restored(&empty(&log).take_delta(), &log));
        if killed {
            fs::copy(&path, other.path().join(FILE)).unwrap();
        }
        drop(snapshot);
        let sample = Sample { log, first_file: Vec::new(), file: Vec::new(), states };
        let file = if killed { other.path().join(FILE) } else { path };
        sample.survive(memory().path(), &fs::read(file).unwrap()).map_err(TestCaseError::fail)?;
    }
}
