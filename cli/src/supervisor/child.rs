//! When a process that ended is started again. Pure: the time is passed in.
//!
//! One death is an accident: the process is back after a second. A process that keeps dying waits longer each
//! time, so that it neither burns the processor nor floods the log. Two seconds of work make it as new: an experiment that
//! kills an instance every few seconds is no fault of the instance, and would else measure these waits.

use std::time::{Duration, Instant};

use crate::outcome::CANNOT;

/// The wait after a first death.
pub const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Being ready for so long makes earlier deaths forgotten.
pub const LONG_LIFE: Duration = Duration::from_secs(2);

/// What follows a process's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is started again after this wait.
    Restart(Duration),
    /// It cannot be started as it is configured. More attempts would end the same.
    GiveUp,
}

/// The deaths of one process so far.
#[derive(Debug, Default)]
pub struct Lives {
    deaths: u32,
    lived: bool,
    /// When the present life was ready for work.
    ready: Option<Instant>,
    was_ready: bool,
}

impl Lives {
    /// The process is started. Tells whether it lived before.
    pub fn started(&mut self) -> bool {
        self.ready = None;
        std::mem::replace(&mut self.lived, true)
    }

    /// The process is ready for work.
    pub fn ready(&mut self, now: Instant) {
        self.ready = Some(now);
        self.was_ready = true;
    }

    /// The process ended, with an exit code unless a signal ended it.
    pub fn ended(&mut self, now: Instant, code: Option<i32>) -> Next {
        // Once it has worked, its arguments are not at fault.
        if !self.was_ready && code == Some(i32::from(CANNOT)) {
            return Next::GiveUp;
        }
        if self.ready.is_some_and(|ready| now - ready >= LONG_LIFE) {
            self.deaths = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.deaths.min(16)).min(LONGEST);
        self.deaths += 1;
        Next::Restart(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The waits in seconds after lives that were ready for so many seconds, or never.
    fn waits(lives: &[Option<u32>]) -> Vec<u64> {
        let mut now = Instant::now();
        let mut child = Lives::default();
        let mut one = |life: &Option<u32>| {
            child.started();
            // Getting ready may take long; it is no work.
            now += 10 * SECOND;
            if let Some(seconds) = life {
                child.ready(now);
                now += SECOND * *seconds;
            }
            match child.ended(now, None) {
                Next::Restart(wait) => {
                    now += wait;
                    wait.as_secs()
                }
                Next::GiveUp => panic!("a signal is no configuration error"),
            }
        };
        lives.iter().map(&mut one).collect()
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        assert_eq!(waits(&[None; 8]), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(waits(&[Some(0); 100]).last(), Some(&30));
    }

    #[test]
    fn some_work_makes_it_as_new() {
        assert_eq!(
            waits(&[None, None, Some(1), Some(2), None, Some(3)]),
            [1, 2, 4, 1, 2, 1]
        );
    }

    #[test]
    fn only_a_first_start_can_be_given_up() {
        let now = Instant::now();
        let mut child = Lives::default();
        child.started();
        assert_eq!(child.ended(now, Some(1)), Next::Restart(FIRST));
        assert_eq!(child.ended(now, Some(2)), Next::GiveUp);
        child.ready(now);
        assert_eq!(child.ended(now, Some(2)), Next::Restart(2 * FIRST));
    }
}
