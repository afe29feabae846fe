//! Damaged files: whatever was done to one, what is read from it is a state that was saved, or none.
//!
//! And then life goes on: the replica reads the rest of the log from where the file ends, saves its changes into the
//! file as it was left, and the next start must find exactly that.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use tempfile::TempDir;
use tolerancia_bus::Message;
use tolerancia_core::ReplicaId;
use tolerancia_core::ledger::Event;
use tolerancia_wire::{Record, partition};

use super::*;
use crate::replica::Replica;

const PAGE: usize = 4096;
const PARTITIONS: u16 = 2;
/// No case takes a thousandth of this, so whoever takes so long goes round in circles.
const STUCK: Duration = Duration::from_secs(60);

/// What was done to a file.
#[derive(Debug, Clone)]
enum Damage {
    /// It ends after so many bytes.
    Cut(usize),
    /// These bits of these bytes are other ones.
    Flips(Vec<(usize, u8)>),
    /// A page is as on a disk that never wrote it.
    Zero(usize),
    /// Two pages changed places.
    Swap(usize, usize),
    /// A page is as it was when the file was saved for the first time.
    Stale(usize),
}

impl Damage {
    fn done_to(&self, sample: &Sample) -> Vec<u8> {
        let mut bytes = sample.file.clone();
        let page = |number: usize| number * PAGE..(number + 1) * PAGE;
        match self {
            Self::Cut(length) => bytes.truncate(*length),
            Self::Flips(flips) => flips.iter().for_each(|(at, bit)| bytes[*at] ^= 1 << bit),
            Self::Zero(number) => bytes[page(*number)].fill(0),
            Self::Swap(one, other) => {
                let first = bytes[page(*one)].to_vec();
                bytes.copy_within(page(*other), one * PAGE);
                bytes[page(*other)].copy_from_slice(&first);
            }
            Self::Stale(number) => {
                let old = sample.first_file.get(page(*number)).unwrap_or_default();
                bytes[page(*number)][..old.len()].copy_from_slice(old);
            }
        }
        bytes
    }
}

/// A log, and the snapshot of a replica that has read most of it.
struct Sample {
    log: Vec<Message>,
    /// After the first save, and after the last.
    first_file: Vec<u8>,
    file: Vec<u8>,
    /// The state before the first event, then each that was saved, then the one at the end of the log.
    states: Vec<Restored>,
}

fn empty(log: &[Message]) -> Replica {
    replica(Restored::default(), log)
}

/// A replica in this state that has read the rest of the log.
fn replica(from: Restored, log: &[Message]) -> Replica {
    let me = ReplicaId::new(1).unwrap();
    let positions = from.positions.clone();
    let mut replica = Replica::new(me, 3, "inventory-svc/1".to_owned(), from, PARTITIONS);
    let unread = |message: &&Message| message.offset >= positions.get(&message.partition).copied().unwrap_or(0);
    for message in log.iter().filter(unread) {
        replica.apply(message);
    }
    replica
}

/// What is to be found in a file to which this was saved.
fn as_restored(delta: &Delta, log: &[Message]) -> Restored {
    let read = log
        .iter()
        .filter(|message| message.offset < delta.positions.get(&message.partition).copied().unwrap_or(0));
    let read: Vec<Message> = read.cloned().collect();
    Restored {
        ledger: empty(&read).ledger().clone(),
        positions: delta.positions.clone(),
        last: delta.last.clone(),
    }
}

fn log(orders: u8) -> Vec<Message> {
    let products: Vec<ProductId> = (1..=3).map(|n| format!("PROD-{n:03}").parse().unwrap()).collect();
    let restocks = products.iter().map(|product_id| Event::Restock {
        product_id: product_id.clone(),
        quantity: 1000,
    });
    let orders = (0..orders).flat_map(|n| {
        let product_id = products[usize::from(n) % products.len()].clone();
        let order_id = OrderId::from_random(partition::of_product(&product_id, PARTITIONS), [n; 14]);
        let quantity = u64::from(n) * 9;
        let reserve = Event::Reserve {
            order_id,
            product_id,
            quantity,
        };
        std::iter::once(reserve).chain((n % 4 == 3).then_some(Event::Release { order_id }))
    });
    let mut next = [0; PARTITIONS as usize];
    let place = |event: Event| {
        let home = match &event {
            Event::Reserve { order_id, .. } | Event::Release { order_id } => order_id.partition(),
            Event::Restock { product_id, .. } => partition::of_product(product_id, PARTITIONS),
        };
        let offset = next[usize::from(home)];
        next[usize::from(home)] += 1;
        let (key, payload) = (None, Record::new("test", event).to_bytes());
        Message {
            partition: home,
            offset,
            key,
            payload,
        }
    };
    restocks.chain(orders).map(place).collect()
}

impl Sample {
    /// A log, and a snapshot that was saved when so many of its records had been read. The file is as a replica leaves it
    /// that ends in order, or that is killed.
    fn new(orders: u8, saves: &[usize], killed: bool) -> Self {
        let log = log(orders);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut states = vec![Restored::default()];
        let mut files = Vec::new();
        for end in saves {
            // Each by a process of its own.
            let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
            let delta = replica(restored, &log[..*end]).take_delta();
            snapshot.save(&delta).unwrap();
            states.push(as_restored(&delta, &log));
            let left = fs::read(&path).unwrap();
            drop(snapshot);
            files.push(if killed { left } else { fs::read(&path).unwrap() });
        }
        states.push(as_restored(&empty(&log).take_delta(), &log));
        Self {
            log,
            first_file: files.first().unwrap().clone(),
            file: files.pop().unwrap(),
            states,
        }
    }

    fn knows(&self, found: &Restored) -> Option<usize> {
        self.states.iter().position(|state| {
            (&state.positions, &state.last, &state.ledger) == (&found.positions, &found.last, &found.ledger)
                && state.ledger.digest() == found.ledger.digest()
        })
    }

    /// Starts a replica on a file with these bytes, lets it read the log to its end and save, and starts it again.
    /// The number of the state that was found at first, or what is wrong.
    fn survive(&self, dir: &Path, bytes: &[u8]) -> Result<usize, String> {
        for entry in fs::read_dir(dir).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(dir.join(FILE), bytes).unwrap();
        let (snapshot, restored) = Snapshot::open(dir).map_err(|error| format!("no start: {error:#}"))?;
        let found = self
            .knows(&restored)
            .ok_or_else(|| format!("a state that never was: {restored:?}"))?;
        let mut replica = replica(restored, &self.log);
        snapshot
            .save(&replica.take_delta())
            .map_err(|error| format!("no save from state {found}: {error:?}"))?;
        drop(snapshot);
        let (_, again) = Snapshot::open(dir).map_err(|error| format!("no second start: {error:#}"))?;
        match self.knows(&again) {
            Some(state) if state == self.states.len() - 1 => Ok(found),
            state => Err(format!("state {found}, saved on, became {state:?}")),
        }
    }
}

/// A directory that needs no disk where there is one.
fn memory() -> TempDir {
    let dir = tempfile::Builder::new();
    let shared = tempfile::Builder::new().tempdir_in("/dev/shm");
    shared.or_else(|_| dir.tempdir()).unwrap()
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of this thread that are caught are expected, and are not to flood the output.
fn quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
}

/// Does all of these to the sample, on all cores. How often each state was found.
fn do_all(sample: &Sample, damages: &[Damage]) -> Vec<usize> {
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let found = Mutex::new(vec![0; sample.states.len()]);
    let wrong = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let busy: Vec<AtomicU64> = (0..workers).map(|_| AtomicU64::new(0)).collect();
    let work = |busy: &AtomicU64| {
        quiet();
        let dir = memory();
        while let Some(damage) = damages.get(next.fetch_add(1, Ordering::Relaxed)) {
            busy.fetch_add(1, Ordering::Relaxed);
            let survived = std::panic::catch_unwind(|| sample.survive(dir.path(), &damage.done_to(sample)));
            match survived.unwrap_or_else(|_| Err("a panic".to_owned())) {
                Ok(state) => found.lock().unwrap()[state] += 1,
                Err(what) => wrong.lock().unwrap().push(format!("{damage:?}: {what}")),
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = busy.iter().map(|busy| scope.spawn(|| work(busy))).collect();
        let watch = || {
            let mut before = Vec::new();
            let mut since = std::time::Instant::now();
            while !done.load(Ordering::Relaxed) {
                let now: Vec<_> = busy.iter().map(|count| count.load(Ordering::Relaxed)).collect();
                if now != before {
                    (before, since) = (now, std::time::Instant::now());
                } else if since.elapsed() > STUCK {
                    eprintln!(
                        "stuck at one of the {workers} damages before {:?}",
                        damages.get(next.load(Ordering::Relaxed))
                    );
                    std::process::exit(101);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        scope.spawn(watch);
        let ended: Vec<_> = handles.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|end| end.unwrap());
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} went wrong: {:#?}",
        wrong.len(),
        damages.len(),
        &wrong[..wrong.len().min(10)]
    );
    found.into_inner().unwrap()
}

mod cases;
