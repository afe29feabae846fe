//! A thread that does nothing but sleep, and notes when it overslept: then this host had no time for who wanted to run, and
//! the system under torture had no more. Once a second it asks Linux, too, for how much of that time somebody had to wait for
//! a processor (pressure stall information, `/proc/pressure/cpu`): on a host with too much to do, slowness is no fault.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tolerancia_wire::time::mono_ns;

use super::evidence::Stall;

/// Between two looks at the clock.
const SLEEP: Duration = Duration::from_millis(10);
/// Overslept by so much is a stall: half of what the services think of their own (`OWN_STALL_NS` is less), and far less
/// than what makes an answer late (200 ms).
const STALL_NS: u64 = 75_000_000;
/// Between two looks at the pressure, nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;
/// Somebody waiting for a processor for more than this part of the time: the host is busy.
const BUSY: f64 = 0.5;
/// Stalls that follow so soon are one.
const NEAR_NS: u64 = 100_000_000;
/// Stalls that are kept one by one.
const MOST: usize = 10_000;

/// What was noted.
#[derive(Debug, Default)]
struct Seen {
    stalls: Vec<Stall>,
    busy: Vec<Stall>,
}

/// Notes stalls until it is finished or dropped.
#[derive(Debug)]
pub(crate) struct StallMeter {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl StallMeter {
    /// Starts the thread; without one, no stall is ever noted.
    pub(crate) fn start() -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (until, notes) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::Builder::new()
            .name("stall-meter".to_owned())
            .spawn(move || {
                let mut before = mono_ns();
                let (mut looked, mut waited) = (before, waited_ns());
                while !until.load(Ordering::Relaxed) {
                    std::thread::sleep(SLEEP);
                    let now = mono_ns();
                    let slept = now.saturating_sub(before);
                    if slept > STALL_NS + SLEEP.as_nanos() as u64 {
                        let mut seen = notes.lock().unwrap_or_else(PoisonError::into_inner);
                        note(&mut seen.stalls, before, now);
                    }
                    before = now;
                    if now.saturating_sub(looked) >= LOOK_NS {
                        let by_now = waited_ns();
                        if is_busy(waited, by_now, now - looked) {
                            let mut seen = notes.lock().unwrap_or_else(PoisonError::into_inner);
                            note(&mut seen.busy, looked, now);
                        }
                        (looked, waited) = (now, by_now);
                    }
                }
            });
        Self {
            stop,
            seen,
            thread: thread.ok(),
        }
    }

    /// All stalls, and when the host was busy, by time.
    pub(crate) fn finish(mut self) -> (Vec<Stall>, Vec<Stall>) {
        self.end();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        (seen.stalls, seen.busy)
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and sleeps for 10 ms at a time.
            let _ = thread.join();
        }
    }
}

impl Drop for StallMeter {
    fn drop(&mut self) {
        self.end();
    }
}

/// For how long somebody had to wait for a processor since the host started, in nanoseconds; none where Linux does not say.
fn waited_ns() -> Option<u64> {
    total_ns(&std::fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn total_ns(pressure: &str) -> Option<u64> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = some.split_whitespace().find_map(|word| word.strip_prefix("total="))?;
    Some(total.parse::<u64>().ok()?.saturating_mul(1000))
}

fn is_busy(before: Option<u64>, now: Option<u64>, took_ns: u64) -> bool {
    let waited = now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
    waited as f64 > took_ns as f64 * BUSY
}

fn note(stalls: &mut Vec<Stall>, from_ns: u64, to_ns: u64) {
    let is_near = |last: &Stall| from_ns.saturating_sub(last.to_ns) < NEAR_NS;
    if let Some(last) = stalls.last_mut().filter(|last| is_near(last)) {
        last.to_ns = to_ns;
    } else if stalls.len() < MOST {
        stalls.push(Stall { from_ns, to_ns });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_busy_when_somebody_waits_more_than_half_of_the_time() {
        let pressure = "some avg10=97.30 avg60=97.81 avg300=97.96 total=8826396957\nfull avg10=0.00 total=0\n";
        assert_eq!(total_ns(pressure), Some(8_826_396_957_000));
        assert_eq!(total_ns("nothing of the kind"), None);
        assert!(is_busy(Some(10), Some(70), 100));
        assert!(!is_busy(Some(10), Some(50), 100));
        assert!(!is_busy(None, None, 100));
    }

    #[test]
    fn stalls_that_follow_at_once_are_one() {
        let mut stalls = Vec::new();
        note(&mut stalls, 0, 200_000_000);
        note(&mut stalls, 200_000_000, 300_000_000);
        note(&mut stalls, 350_000_000, 500_000_000);
        note(&mut stalls, 900_000_000, 999_000_000);
        let ends: Vec<_> = stalls.iter().map(|stall| (stall.from_ns, stall.to_ns)).collect();
        assert_eq!(ends, [(0, 500_000_000), (900_000_000, 999_000_000)]);
    }
}
