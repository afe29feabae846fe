//! Orders that are open, so that each can be cancelled later.

use std::collections::VecDeque;

/// The newest confirmed orders, at most `limit`.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    limit: usize,
    open: VecDeque<T>,
}

impl<T> Pool<T> {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            open: VecDeque::new(),
        }
    }

    /// Adds an order; if that makes too many, the oldest comes out and is to be cancelled.
    pub(crate) fn push(&mut self, order: T) -> Option<T> {
        self.open.push_back(order);
        (self.open.len() > self.limit).then(|| self.open.pop_front()).flatten()
    }

    /// Takes all out.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.open.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_none_is_forgotten() {
        let mut pool = Pool::new(3);
        let out: Vec<_> = (0..5).map(|order| pool.push(order)).collect();
        assert_eq!(out, [None, None, None, Some(0), Some(1)]);
        assert_eq!(pool.drain(), [2, 3, 4]);
        assert!(pool.drain().is_empty());
    }
}
