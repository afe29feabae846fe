//! One replica: the service's own state machine ([`Replica`]) and read side ([`View`]) over a simulated log, disk and
//! network.
//!
//! Modelled here is what the engine, the outbox and the saver do around them: read in batches, send outcomes until the
//! log has them, save a snapshot only when all outcomes before it are out, answer with 503 until the log as it stood at
//! start is applied.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::Rng as _;
use tolerancia_bus::Message;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_inventory_svc::replica::{Delta, Replica};
use tolerancia_inventory_svc::view::View;
use tolerancia_wire::record::{InventoryResult, ResultBody};

use crate::config::{Config, MS};
use crate::disk::Disk;
use crate::event::{Event, Health, Node, Reader, Said};
use crate::faults::{Fault, Kind, Lie, Scope};
use crate::lies::other;
use crate::queue::Ns;
use crate::world::World;

/// Records that are applied before the result is shown, at most.
const BATCH: usize = 20;

/// One replica.
pub struct ReplicaNode {
    pub(crate) inc: u32,
    pub(crate) id: ReplicaId,
    /// What runs; none while it is dead or waits for the log.
    pub(crate) running: Option<(Replica, View)>,
    /// The process is there.
    pub(crate) up: bool,
    ends: Vec<u64>,
    disk: Disk,
    /// Outcomes that the log has not acknowledged.
    letters: BTreeSet<u64>,
    next_letter: u64,
    last_arrival: Ns,
    saving: Option<(Delta, BTreeSet<u64>)>,
    pub(crate) stale_since: Option<Ns>,
    pub(crate) lie: Option<Lie>,
    slow: Option<(Scope, Ns)>,
    flaky: Option<(Scope, f64)>,
    disk_full: bool,
}

impl ReplicaNode {
    pub(crate) fn new(r: usize, config: &Config) -> Self {
        Self {
            inc: 0,
            id: ReplicaId::all(u8::try_from(config.replicas).expect("at most 7"))
                .nth(r)
                .expect("one of them"),
            running: None,
            up: false,
            ends: Vec::new(),
            disk: Disk::default(),
            letters: BTreeSet::new(),
            next_letter: 0,
            last_arrival: 0,
            saving: None,
            stale_since: None,
            lie: None,
            slow: None,
            flaky: None,
            disk_full: false,
        }
    }

    pub(crate) fn fault_on(&mut self, fault: &Fault, now: Ns) {
        match fault.kind {
            Kind::Slow => self.slow = Some((fault.scope, fault.amount.unsigned_abs() * MS)),
            Kind::Intermittent => self.flaky = Some((fault.scope, fault.chance)),
            Kind::Stale => self.stale_since = Some(now),
            Kind::DiskFull => self.disk_full = true,
            kind => unreachable!("{kind:?} is not the replica's own"),
        }
    }

    pub(crate) fn fault_off(&mut self, kind: Kind) {
        match kind {
            Kind::Slow => self.slow = None,
            Kind::Intermittent => self.flaky = None,
            Kind::Stale => self.stale_since = None,
            Kind::DiskFull => self.disk_full = false,
            kind => unreachable!("{kind:?} is not the replica's own"),
        }
    }

    /// Whether it has caught up, and with what.
    pub(crate) fn ready(&self) -> Option<&(Replica, View)> {
        self.running.as_ref().filter(|(_, view)| view.is_ready())
    }

    fn show(&mut self) {
        let Some((replica, view)) = &mut self.running else {
            return;
        };
        let unseen = replica.take_unseen();
        let changed = unseen.iter().filter_map(|id| replica.product(id).map(|p| (id, p)));
        view.publish(changed, replica.positions(), replica.ledger().digest());
        let reached = (0..).zip(&self.ends).all(|(partition, end)| {
            let partition: u16 = partition;
            replica.positions().get(&partition).is_some_and(|at| at >= end)
        });
        if reached && !view.is_ready() {
            view.set_ready();
        }
    }
}

impl World {
    pub(crate) fn replica_starts(&mut self, r: usize, inc: u32) {
        let node = &mut self.replicas[r];
        if node.inc != inc {
            return;
        }
        node.up = true;
        if !self.net.reaches(Node::Replica(r), Node::Log) {
            let wait = self.rng.random_range(50 * MS..200 * MS);
            self.after(wait, Event::ReplicaStart(r, inc));
            return;
        }
        let partitions = self.config.partitions;
        let replicas = u8::try_from(self.config.replicas).expect("at most 7");
        let source = format!("inventory-svc/{}", node.id);
        node.running = Some((
            Replica::new(node.id, replicas, source, node.disk.read(), partitions),
            View::new(node.id),
        ));
        node.ends = self.log.ends();
        node.show();
        self.count("replica starts");
        self.read_anew(Reader::Replica(r), partitions);
        let every = self.config.save_every;
        self.after(every, Event::SaveTick(r, inc));
    }

    pub(crate) fn replica_dies(&mut self, r: usize) {
        let node = &mut self.replicas[r];
        node.inc += 1;
        node.up = false;
        node.running = None;
        node.letters.clear();
        node.saving = None;
        self.lose_link(r);
    }

    pub(crate) fn replica_reads(&mut self, r: usize, partition: u16) {
        self.set_clock(Node::Replica(r));
        let node = &mut self.replicas[r];
        let Some((replica, _)) = &mut node.running else { return };
        if node.stale_since.is_some() {
            return;
        }
        let from = replica.positions()[&partition];
        let end = self.log.orders[usize::from(partition)].len() as u64;
        for offset in from..end.min(from + BATCH as u64) {
            self.apply(r, partition, offset);
        }
        self.replicas[r].show();
        if end > from + BATCH as u64 {
            self.wake(Reader::Replica(r), partition);
        }
    }

    fn apply(&mut self, r: usize, partition: u16, offset: u64) {
        let message = Message {
            partition,
            offset,
            key: None,
            payload: self.log.orders[usize::from(partition)][usize::try_from(offset).expect("an index")].clone(),
        };
        let node = &mut self.replicas[r];
        let (replica, _) = node.running.as_mut().expect("it reads");
        let letter = replica.apply(&message);
        let told = letter.and_then(|letter| InventoryResult::from_bytes(&letter.payload).ok());
        self.check_applied(r, partition, offset, told.as_ref());
        let Some(mut told) = told else { return };
        let lies = match self.replicas[r].lie {
            Some(Lie::Outcome) => true,
            Some(Lie::Any) => self.rng.random_bool(0.3),
            _ => false,
        };
        if lies {
            self.count("lies about outcomes");
            self.lied_at[r] = Some(self.now);
            let ResultBody::Result { outcome, offset, .. } = &mut told.body;
            *outcome = other(*outcome, *offset);
        }
        self.send_result(r, partition, Arc::new(told));
    }

    fn send_result(&mut self, r: usize, partition: u16, told: Arc<InventoryResult>) {
        let wait = self.net.latency(&mut self.rng);
        let node = &mut self.replicas[r];
        node.next_letter += 1;
        node.letters.insert(node.next_letter);
        node.last_arrival = node.last_arrival.max(self.now + wait);
        let event = Event::ResultArrives(r, node.inc, node.next_letter, partition, told);
        self.queue.at(node.last_arrival, event);
    }

    pub(crate) fn result_arrives(
        &mut self,
        r: usize,
        inc: u32,
        letter: u64,
        partition: u16,
        told: Arc<InventoryResult>,
    ) {
        let alive = self.replicas[r].inc == inc;
        if !self.net.reaches(Node::Replica(r), Node::Log) {
            if alive {
                let wait = self.rng.random_range(20 * MS..250 * MS);
                self.after(wait, Event::ResultArrives(r, inc, letter, partition, told));
            }
            return;
        }
        // What a process had sent before it died may arrive or not.
        if !alive && self.rng.random_bool(0.5) {
            return;
        }
        if self.config.duplicates > 0.0 && self.rng.random_bool(self.config.duplicates) {
            self.log.results[usize::from(partition)].push(Arc::clone(&told));
        }
        self.log.results[usize::from(partition)].push(told);
        self.count("results");
        self.wake(Reader::Orders, partition);
        if alive {
            let wait = self.net.latency(&mut self.rng);
            self.after(wait, Event::ResultAcked(r, inc, letter));
        }
    }

    pub(crate) fn result_acked(&mut self, r: usize, inc: u32, letter: u64) {
        let node = &mut self.replicas[r];
        if node.inc != inc {
            return;
        }
        node.letters.remove(&letter);
        let Some((_, awaited)) = &mut node.saving else { return };
        if awaited.remove(&letter) && awaited.is_empty() {
            self.write_snapshot(r);
        }
    }

    pub(crate) fn save_tick(&mut self, r: usize, inc: u32) {
        let node = &mut self.replicas[r];
        if node.inc != inc {
            return;
        }
        if let Some((replica, _)) = &mut node.running
            && replica.unsaved() > 0
            && node.saving.is_none()
            && !node.disk_full
        {
            let awaited = node.letters.clone();
            let ready = awaited.is_empty();
            node.saving = Some((replica.take_delta(), awaited));
            if ready {
                self.write_snapshot(r);
            }
        }
        let every = self.config.save_every;
        self.after(every, Event::SaveTick(r, inc));
    }

    fn write_snapshot(&mut self, r: usize) {
        let wait = self.rng.random_range(MS / 10..5 * MS);
        self.after(wait, Event::SaveDone(r, self.replicas[r].inc));
    }

    pub(crate) fn save_done(&mut self, r: usize, inc: u32) {
        let node = &mut self.replicas[r];
        if node.inc != inc {
            return;
        }
        if let Some((delta, _)) = node.saving.take() {
            node.disk.write(delta);
            self.count("snapshots");
        }
    }

    pub(crate) fn query(&mut self, r: usize, voter: u32, vote: u64, product: &ProductId) {
        let inc = self.replicas[r].inc;
        let mut said = if self.replicas[r].up {
            self.say(r, product)
        } else {
            Said::Refused
        };
        let node = &self.replicas[r];
        let mut wait = self.rng.random_range(20_000..200_000);
        if node.up {
            if let Some((_, chance)) = node.flaky.filter(|(scope, _)| scope.queries())
                && self.rng.random_bool(chance)
            {
                said = Said::Answer(503, b"{}".to_vec());
            }
            if let Some((_, most)) = node.slow.filter(|(scope, _)| scope.queries()) {
                wait += self.rng.random_range(most / 2..=most);
            }
        }
        self.after(wait, Event::QueryDone(r, inc, voter, vote, said));
    }

    pub(crate) fn query_done(&mut self, r: usize, inc: u32, voter: u32, vote: u64, said: Said) {
        let said = if self.replicas[r].inc == inc {
            said
        } else {
            Said::Refused
        };
        if let Some(wait) = self.net.send(&mut self.rng, Node::Replica(r), Node::Voter) {
            self.after(wait, Event::Reply(r, voter, vote, said));
        }
    }

    pub(crate) fn health_query(&mut self, r: usize, monitor: u32, check: u64) {
        let node = &self.replicas[r];
        let mut wait = self.rng.random_range(20_000..200_000);
        let mut health = if !node.up {
            Health::Refused
        } else if let Some((_, view)) = node.ready() {
            Health::Good {
                applied: view.position().0.values().sum(),
                idle_ns: node.stale_since.map_or(0, |since| self.now - since),
            }
        } else {
            Health::Bad
        };
        if node.up {
            if let Some((_, chance)) = node.flaky.filter(|(scope, _)| scope.health())
                && self.rng.random_bool(chance)
            {
                health = Health::Bad;
            }
            if let Some((_, most)) = node.slow.filter(|(scope, _)| scope.health()) {
                wait += self.rng.random_range(most / 2..=most);
            }
        }
        let inc = node.inc;
        self.after(wait, Event::HealthDone(r, inc, monitor, check, health));
    }

    pub(crate) fn health_done(&mut self, r: usize, inc: u32, monitor: u32, check: u64, health: Health) {
        let health = if self.replicas[r].inc == inc {
            health
        } else {
            Health::Refused
        };
        if let Some(wait) = self.net.send(&mut self.rng, Node::Replica(r), Node::Monitor) {
            self.after(wait, Event::HealthReply(r, monitor, check, health));
        }
    }
}
