//! When a process that ended is started again. Pure: the time is passed in.
//!
//! One death is an accident: the process is back after a second. A process that keeps dying waits longer each
//! time, so that it neither burns the processor nor floods the log. Ten seconds of life make it as new.

use std::time::{Duration, Instant};

use crate::outcome::CANNOT;

/// The wait after a first death.
pub const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A life of this length makes earlier deaths forgotten.
pub const LONG_LIFE: Duration = Duration::from_secs(10);

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
    started: Option<Instant>,
    was_ready: bool,
}

impl Lives {
    /// The process is started. Tells whether it lived before.
    pub fn started(&mut self, now: Instant) -> bool {
        self.started.replace(now).is_some()
    }

    /// The process is ready for work.
    pub fn ready(&mut self) {
        self.was_ready = true;
    }

    /// The process ended, with an exit code unless a signal ended it.
    pub fn ended(&mut self, now: Instant, code: Option<i32>) -> Next {
        // Once it has worked, its arguments are not at fault.
        if !self.was_ready && code == Some(i32::from(CANNOT)) {
            return Next::GiveUp;
        }
        let life = self.started.map_or(Duration::ZERO, |started| now - started);
        if life >= LONG_LIFE {
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

    /// The waits in seconds after lives of these lengths in seconds.
    fn waits(lives: &[u32]) -> Vec<u64> {
        let mut now = Instant::now();
        let mut child = Lives::default();
        let mut one = |life: &u32| {
            child.started(now);
            now += SECOND * *life;
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
        assert_eq!(waits(&[0; 8]), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(waits(&[0; 100]).last(), Some(&30));
    }

    #[test]
    fn a_long_life_makes_it_as_new() {
        assert_eq!(waits(&[0, 0, 9, 10, 0]), [1, 2, 4, 1, 2]);
    }

    #[test]
    fn only_a_first_start_can_be_given_up() {
        let now = Instant::now();
        let mut child = Lives::default();
        child.started(now);
        assert_eq!(child.ended(now, Some(1)), Next::Restart(FIRST));
        assert_eq!(child.ended(now, Some(2)), Next::GiveUp);
        child.ready();
        assert_eq!(child.ended(now, Some(2)), Next::Restart(2 * FIRST));
    }
}
