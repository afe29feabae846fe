//! What happened in a span of time up to the newest of it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use tolerancia_wire::live::{KEPT_SECONDS, RequestsSecond, Suspicion, VotesSecond};

/// A piece of a [`Window`].
pub(crate) trait Moment: Clone + PartialEq {
    /// Tells the pieces apart; ordered by time first.
    type Key: Ord + Clone;
    /// How far back the window reaches, in the unit of [`at`](Self::at).
    const SPAN: i64;
    /// How many pieces it holds at most.
    const MOST: usize;

    /// Tells it apart from the others.
    fn key(&self) -> Self::Key;
    /// When it was.
    fn at(&self) -> i64;
}

/// The newest pieces, at most [`Moment::MOST`], none of them [`Moment::SPAN`] or more older than the newest. Time is what
/// the pieces say, not what a clock says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window<T: Moment>(BTreeMap<T::Key, T>);

impl<T: Moment> Default for Window<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Moment> Window<T> {
    /// Takes a piece in, in the place of the one with the same key. Says whether that changed anything: what is known
    /// already, or too old, does not.
    pub(crate) fn put(&mut self, piece: T) -> bool {
        let (key, at) = (piece.key(), piece.at());
        if let Some(newest) = self.newest() {
            let behind = newest.saturating_sub(at);
            // Nothing comes as late as this. A clock was set back, or one piece was of the future.
            if behind >= 2 * T::SPAN {
                self.0.clear();
            } else if behind >= T::SPAN || self.0.get(&key) == Some(&piece) {
                return false;
            }
        }
        self.0.insert(key.clone(), piece);
        let newest = self.newest().unwrap_or(at);
        let is_old = |piece: &T| newest.saturating_sub(piece.at()) >= T::SPAN;
        while self.0.len() > T::MOST || self.0.first_key_value().is_some_and(|(_, first)| is_old(first)) {
            self.0.pop_first();
        }
        self.0.contains_key(&key)
    }

    fn newest(&self) -> Option<i64> {
        self.0.last_key_value().map(|(_, newest)| newest.at())
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Oldest first.
impl<T: Moment + Serialize> Serialize for Window<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

#[cfg(test)]
impl<'de, T: Moment + serde::Deserialize<'de>> serde::Deserialize<'de> for Window<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pieces = Vec::<T>::deserialize(deserializer)?;
        Ok(Self(pieces.into_iter().map(|piece| (piece.key(), piece)).collect()))
    }
}

const KEPT: i64 = KEPT_SECONDS as i64;

/// One minute, five a second and a few for jitter.
impl Moment for Suspicion {
    type Key = i64;
    const SPAN: i64 = 60_000_000;
    const MOST: usize = 320;

    fn key(&self) -> i64 {
        self.at()
    }

    fn at(&self) -> i64 {
        self.at.as_microsecond()
    }
}

impl Moment for VotesSecond {
    type Key = i64;
    const SPAN: i64 = KEPT;
    const MOST: usize = KEPT_SECONDS;

    fn key(&self) -> i64 {
        self.second
    }

    fn at(&self) -> i64 {
        self.second
    }
}

/// Of the services that clients ask, of which there are three, and a few more.
impl Moment for RequestsSecond {
    type Key = (i64, String);
    const SPAN: i64 = KEPT;
    const MOST: usize = 8 * KEPT_SECONDS;

    fn key(&self) -> (i64, String) {
        (self.second, self.service.clone())
    }

    fn at(&self) -> i64 {
        self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(second: i64, clients: u64) -> VotesSecond {
        VotesSecond {
            second,
            clients,
            ..VotesSecond::default()
        }
    }

    fn seconds(window: &Window<VotesSecond>) -> Vec<i64> {
        window.0.keys().copied().collect()
    }

    #[test]
    fn a_second_told_again_takes_the_place_of_the_first_and_the_same_is_no_news() {
        let mut window = Window::default();
        assert!(window.put(votes(5, 1)));
        assert!(!window.put(votes(5, 1)));
        assert!(window.put(votes(5, 2)));
        assert!(window.put(votes(4, 1)), "late, but not too late");
        assert_eq!(seconds(&window), [4, 5]);
    }

    #[test]
    fn what_falls_out_of_the_span_is_forgotten_and_comes_not_back() {
        let mut window = Window::default();
        assert!(window.put(votes(0, 1)) && window.put(votes(KEPT - 1, 1)));
        assert_eq!(window.len(), 2);
        assert!(window.put(votes(KEPT, 1)));
        assert!(!window.put(votes(0, 1)));
        assert_eq!(seconds(&window), [KEPT - 1, KEPT]);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_window() {
        let mut window = Window::default();
        assert!(window.put(votes(i64::MAX, 1)) && window.put(votes(i64::MIN, 1)));
        assert!(window.put(votes(1_000_000, 1)));
        assert!(window.put(votes(1_000_000 - 3600, 1)));
        assert_eq!(seconds(&window), [1_000_000 - 3600]);
    }
}
