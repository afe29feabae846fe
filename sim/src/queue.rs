//! What is going to happen, in the order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Event;

/// Virtual time, in nanoseconds since the start of the run.
pub type Ns = u64;

/// The events to come. Of two at the same instant the one that was planned first comes first.
#[derive(Default)]
pub struct Queue {
    /// When, the how manieth, and where it lies: small, because a heap moves its entries about.
    heap: BinaryHeap<Reverse<(Ns, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    serial: u64,
}

impl Queue {
    /// Plans an event.
    pub fn at(&mut self, at: Ns, event: Event) {
        self.serial += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.heap.push(Reverse((at, self.serial, place)));
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Ns> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Ns, Event)> {
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        let event = self.events[place].take().expect("it was put there");
        Some((at, event))
    }
}
