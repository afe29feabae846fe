//! When requests start, fixed beforehand.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::time::mono_ns;

/// Starts on `CLOCK_MONOTONIC`: evenly spaced, after a rise from nothing if there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The first start, in nanoseconds.
    pub start_ns: u64,
    /// Starts per second.
    pub rps: f64,
    /// For how long the rate rises evenly from 0 to `rps`, in seconds.
    pub ramp_s: f64,
    /// How many starts there are; `None`: until stopped.
    pub count: Option<u64>,
}

/// One start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Its number, from 0.
    pub number: u64,
    /// When it was meant to happen: latencies count from here.
    pub intended_ns: u64,
}

impl Schedule {
    /// `rps` starts per second from now on for `duration`, at least one; without it, until stopped.
    pub(crate) fn from_now(rps: f64, duration: Option<Duration>) -> Self {
        Self {
            start_ns: mono_ns(),
            rps,
            ramp_s: 0.0,
            count: duration.map(|duration| ((duration.as_secs_f64() * rps).round() as u64).max(1)),
        }
    }

    /// The same, with a rate that rises evenly from 0 for so long.
    pub(crate) fn rising(self, ramp: Duration) -> Self {
        Self {
            ramp_s: ramp.as_secs_f64(),
            ..self
        }
    }

    /// The start with this number, if there is one. It does not depend on when earlier ones really happened.
    pub(crate) fn tick(&self, number: u64) -> Option<Tick> {
        let within = self.count.is_none_or(|count| number < count);
        within.then(|| Tick {
            number,
            intended_ns: self.start_ns + self.offset_ns(number),
        })
    }

    /// When the start with this number is, from the first one on.
    ///
    /// While the rate rises to `rps` over `ramp_s`, rps·t²/(2·ramp_s) starts happen in t seconds; that is rps·ramp_s/2 in
    /// all, half of what would have without the rise. From then on they lag behind by half the rise.
    fn offset_ns(&self, number: u64) -> u64 {
        let number = number as f64;
        if number * 2.0 < self.rps * self.ramp_s {
            return ((2.0 * self.ramp_s * number / self.rps).sqrt() * 1e9) as u64;
        }
        (number * 1e9 / self.rps + self.ramp_s * 1e9 / 2.0) as u64
    }
}

/// Ticks that may wait for the runtime; a stalled runtime gets the rest late, never not at all.
const AHEAD: usize = 4096;
/// How soon a stop is noticed.
const NAP: Duration = Duration::from_millis(20);

/// Delivers the ticks of `schedule` when they are due.
///
/// A thread of its own paces them: the runtime's timers have a resolution of a millisecond, which would
/// be a third of what a voted query takes.
pub(crate) fn pace(schedule: Schedule, stop: CancellationToken) -> mpsc::Receiver<Tick> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        for tick in (0..).map_while(|number| schedule.tick(number)) {
            loop {
                if stop.is_cancelled() {
                    return;
                }
                let Some(wait) = tick.intended_ns.checked_sub(mono_ns()).filter(|&wait| wait > 0) else {
                    break;
                };
                std::thread::sleep(Duration::from_nanos(wait).min(NAP));
            }
            if sender.blocking_send(tick).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn starts_are_evenly_spaced_and_do_not_drift() {
        let schedule = Schedule {
            start_ns: 5,
            rps: 3.0,
            ramp_s: 0.0,
            count: Some(3_000_001),
        };
        assert_eq!(schedule.tick(0).unwrap().intended_ns, 5);
        assert_eq!(schedule.tick(3).unwrap().intended_ns, 1_000_000_005);
        assert_eq!(schedule.tick(3_000_000).unwrap().intended_ns, 1_000_000_000_000_005);
        assert_eq!(schedule.tick(3_000_001), None);
    }

    #[test]
    fn a_rate_rises_evenly() {
        let schedule = Schedule::from_now(100.0, None).rising(Duration::from_secs(10));
        let at = |number| (schedule.tick(number).unwrap().intended_ns - schedule.start_ns) as f64 / 1e9;
        let starts = (0..=1500).map(at).collect::<Vec<f64>>();
        assert!(starts.is_sorted());
        // In the second number n of the rise, from 0, there are 10·n + 5 starts, afterwards 100.
        let within = |second: u32| {
            let second = f64::from(second);
            let starts = starts.iter();
            starts.filter(|at| (second..second + 1.0).contains(*at)).count() as u32
        };
        for second in 0..10 {
            let expected = 10 * second + 5;
            assert!(
                within(second).abs_diff(expected) <= 1,
                "second {second}: {}",
                within(second)
            );
        }
        for second in 10..19 {
            assert!(within(second).abs_diff(100) <= 1, "second {second}: {}", within(second));
        }
    }

    #[test]
    fn a_duration_gives_a_number_of_starts() {
        let count = |rps, s| Schedule::from_now(rps, Some(Duration::from_secs(s))).count.unwrap();
        assert_eq!(count(50.0, 60), 3000);
        assert_eq!(count(0.1, 1), 1);
    }

    #[tokio::test]
    async fn all_ticks_come_in_order_even_to_a_slow_receiver() {
        let schedule = Schedule::from_now(1e6, Some(Duration::from_millis(20)));
        let mut ticks = pace(schedule, CancellationToken::new());
        let mut numbers = Vec::new();
        while let Some(tick) = ticks.recv().await {
            assert!(mono_ns() >= tick.intended_ns, "a tick came before its time");
            numbers.push(tick.number);
        }
        assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_stop_ends_an_endless_schedule() {
        let stop = CancellationToken::new();
        let mut ticks = pace(Schedule::from_now(0.1, None), stop.clone());
        assert_eq!(ticks.recv().await.unwrap().number, 0);
        stop.cancel();
        assert_eq!(ticks.recv().await, None);
    }
}
