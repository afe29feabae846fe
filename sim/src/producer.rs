//! The producer of orders-svc: what waits for a partition is sent in order, and given up after the delivery timeout.

use rand::Rng as _;
use tolerancia_core::ledger::Event as LogEvent;
use tolerancia_orders_svc::log::NotAppended;

use crate::config::MS;
use crate::event::{Event, Node};
use crate::orders::Done;
use crate::queue::Ns;
use crate::world::World;

/// How long the log has to acknowledge an event.
const DELIVERY: Ns = 1500 * MS;
/// An event that waits to be sent.
pub(crate) struct Out {
    pub(crate) token: u64,
    pub(crate) event: LogEvent,
    pub(crate) sent: Ns,
    pub(crate) ready: Ns,
}

impl World {
    pub(crate) fn send_event(&mut self, partition: u16, event: LogEvent, done: Done) {
        let wait = self.net.latency(&mut self.rng);
        let node = &mut self.orders;
        node.tokens += 1;
        node.waiting.insert(node.tokens, done);
        node.out[usize::from(partition)].push_back(Out {
            token: node.tokens,
            event,
            sent: self.now,
            ready: self.now + wait,
        });
        if !std::mem::replace(&mut node.pumping[usize::from(partition)], true) {
            let inc = node.inc;
            self.after(wait, Event::Pump(inc, partition));
        }
    }

    /// What waits for a partition is sent, in order.
    pub(crate) fn pump(&mut self, inc: u32, partition: u16) {
        if self.orders.inc != inc {
            return;
        }
        let p = usize::from(partition);
        let reached = self.net.reaches(Node::Orders, Node::Log);
        let now = self.now;
        while let Some(out) = self.orders.out[p].front() {
            if !reached && now - out.sent >= DELIVERY {
                let out = self.orders.out[p].pop_front().expect("it is there");
                self.resolve(out.token, Err(NotAppended::Unknown));
            } else if reached && out.ready <= now {
                let out = self.orders.out[p].pop_front().expect("it is there");
                let copy = (self.config.duplicates > 0.0 && self.rng.random_bool(self.config.duplicates))
                    .then(|| out.event.clone());
                let offset = self.append(partition, out.event);
                if let Some(copy) = copy {
                    let wait = self.rng.random_range(0..300 * MS);
                    self.after(wait, Event::Duplicate(partition, copy));
                }
                let wait = self.net.latency(&mut self.rng);
                self.after(wait, Event::Ack(inc, out.token, offset, out.sent));
            } else {
                break;
            }
        }
        match self.orders.out[p].front().map(|out| out.ready) {
            Some(ready) => {
                let at = if reached { ready.max(now) } else { now + 50 * MS };
                self.queue.at(at, Event::Pump(inc, partition));
            }
            None => self.orders.pumping[p] = false,
        }
    }

    pub(crate) fn ack(&mut self, inc: u32, token: u64, offset: u64, sent: u64) {
        if self.orders.inc != inc {
            return;
        }
        if self.net.reaches(Node::Orders, Node::Log) {
            self.resolve(token, Ok(offset));
        } else if self.now - sent >= DELIVERY {
            // It is in the log, and nobody can know.
            self.count("lost acknowledgements");
            self.resolve(token, Err(NotAppended::Unknown));
        } else {
            self.after(50 * MS, Event::Ack(inc, token, offset, sent));
        }
    }

    fn resolve(&mut self, token: u64, answer: Result<u64, NotAppended>) {
        if let Some(done) = self.orders.waiting.remove(&token) {
            // Who asked may have stopped waiting.
            let _ = done.send(answer);
            self.orders.poked = true;
        }
    }
}
