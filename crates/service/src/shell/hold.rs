//! For how long who was refused is held.
//!
//! A refusal costs little, but a client that is refused at once can ask again at once, and many of them can bring more
//! refusals than there is time for. So nothing more is taken of a client for a while. With HTTP/1.1 its connection is
//! not read ([`Conn::hold`](super::conn::Conn::hold)). One of HTTP/2 may have other requests under way, or be the connection of
//! many clients; so it goes on, and the refusal itself is held back. Its stream stays open meanwhile and counts against the
//! connection's limit of streams, which is how a server of HTTP/2 makes a client send less (RFC 9113, section 5.1.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

use super::conn::Ms;

/// Nobody is held for longer: so long was he told to wait.
const HOLD_MS: Ms = 1000;
/// So many a second are let go, about: a few of them at once, many after a while. A fixed time would be too long for the few
/// of a proxy that was refused once, and too short for thousands in earnest.
const RELEASES_PER_S: f64 = 3000.0;
/// Refusals that are held back at a time; each costs a few KiB. The rest are given at once.
pub(super) const MOST_HELD: usize = 8192;

/// How long one of `held` is held, a quarter more or less as `chance` (0 to 1) has it: those that were refused together shall
/// not come back together.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(super) fn hold_ms(held: usize, chance: f64) -> Ms {
    let seconds = held as f64 / RELEASES_PER_S * (0.75 + chance / 2.0);
    ((seconds * 1000.0) as Ms).clamp(1, HOLD_MS)
}

/// The refusals of a server that are held back; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds(Arc<AtomicUsize>);

/// A refusal that is held back for as long as this lives.
#[derive(Debug)]
pub(super) struct Hold {
    all: Holds,
    ms: Ms,
}

impl Holds {
    /// One more, unless there are too many.
    pub(super) fn one(&self, chance: impl FnOnce() -> f64) -> Option<Hold> {
        let held = self.0.fetch_add(1, Relaxed) + 1;
        let mut hold = Hold {
            all: self.clone(),
            ms: 0,
        };
        if held > MOST_HELD {
            return None;
        }
        hold.ms = hold_ms(held, chance());
        Some(hold)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Hold {
    /// Waits until its time is over.
    pub(super) async fn over(self) {
        sleep(Duration::from_millis(self.ms)).await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.all.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::iter::repeat_with;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn one_is_let_go_at_once_and_nobody_waits_for_longer_than_he_was_told() {
        assert_eq!((hold_ms(1, 0.0), hold_ms(1, 1.0)), (1, 1));
        assert_eq!((hold_ms(1500, 0.0), hold_ms(1500, 1.0)), (375, 625));
        assert_eq!(hold_ms(usize::MAX, 1.0), HOLD_MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_refusals_are_soon_given_and_many_are_not() {
        let holds = Holds::default();
        let began = Instant::now();
        holds.one(|| 0.5).unwrap().over().await;
        assert_eq!(began.elapsed(), Duration::from_millis(1));
        // As from a client that asks again as soon as it is refused, over 4,096 streams.
        let (streams, began) = (4096, Instant::now());
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..streams {
            let holds = holds.clone();
            all.spawn(async move {
                let mut refused = 0;
                while began.elapsed() < Duration::from_secs(10) {
                    holds.one(rand::random).unwrap().over().await;
                    refused += 1;
                }
                refused
            });
        }
        let refused: usize = all.join_all().await.into_iter().sum();
        assert!((30_000..=45_000).contains(&refused), "{refused} in 10 s");
        assert_eq!(holds.len(), 0);
    }

    #[tokio::test]
    async fn they_are_bounded_and_who_gives_up_makes_room() {
        let holds = Holds::default();
        let held: Vec<_> = repeat_with(|| holds.one(|| 0.5).unwrap()).take(MOST_HELD).collect();
        assert!(holds.one(|| 0.5).is_none());
        assert_eq!(holds.len(), MOST_HELD);
        drop(held);
        assert_eq!(holds.len(), 0);
        assert!(holds.one(|| 0.5).is_some());
    }
}
