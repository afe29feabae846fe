//! What the server knows of one connection, and what follows from it: whether it waits for its client, and for how long.
//!
//! Bytes alone are no sign of life. A client that sends a byte a second, or none, waits just as one does that is idle; what
//! counts is a whole request, or an answer that is taken. So few timers are needed: one per connection, which is set
//! again only when it has fired.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::{Duration, Instant};

use super::hold::hold_ms;
use super::limits::Limits;

/// Milliseconds since the server began, from 1: zero stands for never.
pub(super) type Ms = u64;

/// The time as connections note it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Ms {
        ms(self.0.elapsed()) + 1
    }

    pub(super) fn instant(self, at: Ms) -> Instant {
        self.0 + Duration::from_millis(at.saturating_sub(1))
    }
}

pub(super) fn ms(duration: Duration) -> Ms {
    // 500 million years.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// At least until then.
    Stay(Ms),
    /// It has been idle for long enough; say goodbye.
    Idle,
    /// Its client takes too long, for this reason.
    Cut(Slow),
}

/// What a client was too slow with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// Sending the head of a request.
    Head,
    /// Taking an answer.
    Answer,
}

/// What somebody else tells a connection to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Nothing.
    Stay = 0,
    /// Finish what is under way and end.
    Part = 1,
    /// End now.
    End = 2,
}

/// The protocol, as far as it is known: so many bytes of `PRI`, with which HTTP/2 begins and no method of HTTP/1 does.
const H2: u8 = 3;
const H1: u8 = 4;

/// One connection. All of it may be read and written from anywhere.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: u64,
    clock: Clock,
    opened: Ms,
    /// Since when no request is worked on.
    waits_since: AtomicU64,
    /// When the first byte came after that; never with HTTP/2, which sends bytes for its own purposes.
    first_byte: AtomicU64,
    /// Requests worked on, and answers that go on.
    busy: AtomicU32,
    /// Requests whose body is being read.
    reading: AtomicU32,
    /// It has had an answer.
    known: AtomicBool,
    protocol: AtomicU8,
    /// Until when nothing is read of it; zero if it is not held.
    held: AtomicU64,
    /// Something wanted to read while it was held, and nothing but whoever drives it will wake that.
    unread: AtomicBool,
    /// All connections of the server that are held.
    all_held: Arc<AtomicUsize>,
    /// Since when the kernel takes no more.
    stalled: AtomicU64,
    order: AtomicU8,
    waker: AtomicWaker,
    /// For each answer that goes on, since when a part of it is not taken.
    untaken: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Conn {
    /// One whose server counts in `all_held` which of them are held.
    pub(super) fn new(id: u64, clock: Clock, all_held: Arc<AtomicUsize>) -> Self {
        let now = clock.now();
        Self {
            id,
            clock,
            opened: now,
            waits_since: AtomicU64::new(now),
            first_byte: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            reading: AtomicU32::new(0),
            known: AtomicBool::new(false),
            protocol: AtomicU8::new(0),
            held: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            all_held,
            stalled: AtomicU64::new(0),
            order: AtomicU8::new(Order::Stay as u8),
            waker: AtomicWaker::new(),
            untaken: Mutex::default(),
        }
    }

    /// These bytes came.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut protocol = self.protocol.load(Relaxed);
        if protocol < H2 {
            for byte in bytes {
                protocol = if b"PRI".get(usize::from(protocol)) == Some(byte) {
                    protocol + 1
                } else {
                    H1
                };
                if protocol >= H2 {
                    break;
                }
            }
            self.protocol.store(protocol, Relaxed);
        }
        let waits = self.busy.load(Relaxed) == 0 && self.reading.load(Relaxed) == 0;
        if waits && protocol != H2 && !bytes.is_empty() && self.first_byte.load(Relaxed) == 0 {
            self.first_byte.store(self.clock.now(), Relaxed);
        }
    }

    /// Its client was refused something, and told to come back later: nothing more is read of it for a moment. With HTTP/2
    /// it may have other requests under way, or be the connection of many. `chance` is from 0 to 1: those that were
    /// refused together shall not come back together. Returns whether it is held.
    pub(super) fn hold(&self, chance: impl FnOnce() -> f64) -> bool {
        if self.protocol.load(Relaxed) == H2 {
            return false;
        }
        if self.held.load(Relaxed) == 0 {
            let held = self.all_held.fetch_add(1, Relaxed) + 1;
            let until = self.clock.now() + hold_ms(held, chance());
            self.held.store(until, Relaxed);
        }
        true
    }

    /// Whether nothing is to be read now. [`verdict`](Self::verdict) says until when.
    pub(super) fn is_held(&self) -> bool {
        match self.held.load(Relaxed) {
            0 => false,
            until if until > self.clock.now() => true,
            _ => {
                self.release();
                false
            }
        }
    }

    /// Whether nothing may be read now. Who is told so is to be polled again when [`missed`](Self::missed) says so.
    pub(super) fn may_not_read(&self) -> bool {
        let held = self.is_held();
        self.unread.store(held, Relaxed);
        held
    }

    /// Whether something was not read that may be read by now.
    pub(super) fn missed(&self) -> bool {
        self.unread.load(Relaxed) && !self.is_held()
    }

    fn release(&self) {
        if self.held.swap(0, Relaxed) > 0 {
            self.all_held.fetch_sub(1, Relaxed);
        }
    }

    /// The kernel was given bytes, and took some or (`full`) none.
    pub(super) fn wrote(&self, full: bool) {
        if !full {
            self.stalled.store(0, Relaxed);
        } else if self.stalled.load(Relaxed) == 0 {
            self.stalled.store(self.clock.now(), Relaxed);
        }
    }

    /// Whether it may stay.
    pub(super) fn verdict(&self, limits: &Limits) -> Verdict {
        let now = self.clock.now();
        let mut next = now + ms(limits.write);
        if self.is_held() {
            next = next.min(self.held.load(Relaxed));
        }
        if let Some(since) = self.takes_nothing_since() {
            let until = since + ms(limits.write);
            if until <= now {
                return Verdict::Cut(Slow::Answer);
            }
            next = next.min(until);
        }
        if self.busy.load(Relaxed) > 0 || self.reading.load(Relaxed) > 0 {
            return Verdict::Stay(next);
        }
        if !self.known.load(Relaxed) {
            let until = self.opened + ms(limits.head);
            return if until <= now {
                Verdict::Cut(Slow::Head)
            } else {
                Verdict::Stay(next.min(until))
            };
        }
        let idle_until = self.waits_since.load(Relaxed) + ms(limits.idle);
        let head_until = match self.first_byte.load(Relaxed) {
            0 => Ms::MAX,
            at => at + ms(limits.head),
        };
        if head_until <= now {
            Verdict::Cut(Slow::Head)
        } else if idle_until <= now {
            Verdict::Idle
        } else {
            Verdict::Stay(next.min(idle_until).min(head_until))
        }
    }

    fn takes_nothing_since(&self) -> Option<Ms> {
        let stalled = self.stalled.load(Relaxed);
        let untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        let all = untaken.iter().map(|since| since.load(Relaxed)).chain([stalled]);
        all.filter(|since| *since > 0).min()
    }

    /// Whether its client has had an answer yet, and since when the server waits for its client; none if the client waits
    /// for the server.
    pub(super) fn waits(&self) -> Option<(bool, Ms)> {
        let known = self.known.load(Relaxed);
        if self.busy.load(Relaxed) == 0 {
            return Some((known, self.waits_since.load(Relaxed)));
        }
        // Whoever takes nothing is not waiting either.
        match self.stalled.load(Relaxed) {
            0 => None,
            since => Some((known, since)),
        }
    }

    /// Tells it to do that; a stronger order stands.
    pub(super) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Relaxed);
        self.waker.wake();
    }

    /// What it was told. `waker` is woken by the next order.
    pub(super) fn told(&self, waker: &Waker) -> Order {
        self.waker.register(waker);
        match self.order.load(Relaxed) {
            0 => Order::Stay,
            1 => Order::Part,
            _ => Order::End,
        }
    }

    /// Whether it was told to end.
    pub(super) fn told_already(&self) -> bool {
        self.order.load(Relaxed) == Order::End as u8
    }

    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// A note of since when a part of an answer that goes on is not taken; zero while none is.
    pub(super) fn note_untaken(&self) -> Arc<AtomicU64> {
        let note = Arc::new(AtomicU64::new(0));
        let mut untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        untaken.push(Arc::clone(&note));
        note
    }

    pub(super) fn forget_untaken(&self, note: &Arc<AtomicU64>) {
        let mut untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        untaken.retain(|other| !Arc::ptr_eq(other, note));
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.release();
    }
}

/// A request is worked on as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(pub(super) Arc<Conn>);

impl Busy {
    pub(super) fn new(conn: &Arc<Conn>) -> Self {
        conn.first_byte.store(0, Relaxed);
        conn.busy.fetch_add(1, Relaxed);
        Self(Arc::clone(conn))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.known.store(true, Relaxed);
        self.0.waits_since.store(self.0.clock.now(), Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

/// The body of a request is being read as long as this lives: until then the server waits for its client.
#[derive(Debug)]
pub(super) struct Reading(Arc<Conn>);

impl Reading {
    /// To be made within the life of the request's [`Busy`].
    pub(super) fn new(conn: &Arc<Conn>) -> Self {
        // A wait of its own: that before the request is over, however long it was.
        conn.waits_since.store(conn.clock.now(), Relaxed);
        conn.reading.fetch_add(1, Relaxed);
        conn.busy.fetch_sub(1, Relaxed);
        Self(Arc::clone(conn))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.busy.fetch_add(1, Relaxed);
        self.0.reading.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
