//! What must hold, whatever happens. Each check counts how often it looked.
//!
//! | check | rule |
//! | --- | --- |
//! | `lost-order` | an order that a client was told of is in the log, and stands there as it was told |
//! | `not-recovered` also | no order stays reserved whose client was told that nothing was accepted |
//! | `applied-twice` | a repeated order changes nothing |
//! | `oversold` | nothing is reserved beyond stock |
//! | `cancel-undoes` | a cancel gives back exactly what was taken, and stands as it was told |
//! | `replica-differs` | a replica reports and holds what the model says, after each event, lying or not |
//! | `wrong-answer` | each answer of the voter's is the stock at the version that it names |
//! | `went-back` | a fresh answer is not older than the client's own confirmed write, as long as nobody has lied |
//! | `honest-accused` | nobody is called a liar who never lied |
//! | `not-detected` | a fault that lasts is followed by OFF, if nothing else stood in the way |
//! | `no-cause` | nobody is turned OFF without a fault that has to do with it, now or within the last 3 s and a restart |
//! | `not-recovered` | when all is healed all are ON again, equal, and orders are confirmed |
//!
//! A proven lie is a verdict whenever the proof comes. A lie about an order is proven by a quorum's reports, one about a
//! stock by a vote, and the monitor must be told: a log that cannot be reached, or a process that stands still, holds that
//! up while the liar has stopped lying. `no-cause` lets it pass if the lie was told within the last 4 s, the length of the
//! longest fault of the run, and the time of a restart.

use tolerancia_core::ledger::{Event as LogEvent, Outcome, Refusal};
use tolerancia_core::panel::{CauseKind, Change};
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_orders_svc::desk::{Cancelled, Placed};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::record::{InventoryResult, ResultBody};

use crate::clients::Read;
use crate::config::{MS, SEC};
use crate::event::{Event, Node};
use crate::faults::{Fault, Kind, Lie, Scope};
use crate::model::Standing;
use crate::queue::Ns;
use crate::world::World;

/// A fault that lasts longer than this must be detected.
const LASTING: Ns = 4500 * MS;
/// A lie is proven at most so long after it was told, and as long as the longest fault of the run lasts: a quorum decides
/// within the order timeout (2 s), is sent within the delivery timeout (1.5 s) after what stood in the way has ended, and
/// the monitor is told by the next report.
const PROOF: Ns = 4 * SEC;
/// A verdict may follow the end of its cause by so much.
const GRACE: Ns = 3 * SEC;
/// So long after the last fault all must be well: the longest quarantine, and then some.
const RECOVERY: Ns = 75 * SEC;

impl World {
    /// A replica has applied the event at an offset.
    pub(crate) fn check_applied(&mut self, r: usize, partition: u16, offset: u64, told: Option<&InventoryResult>) {
        self.count("looked: applied events");
        let entry = self.model.entry(partition, offset).expect("it was read from the log");
        let event = &self.log.events[usize::from(partition)][usize::try_from(offset).expect("an index")];
        let name = match event {
            LogEvent::Reserve { .. } if entry.repeated => "applied-twice",
            LogEvent::Reserve { .. } => "oversold",
            LogEvent::Release { .. } => "cancel-undoes",
            LogEvent::Restock { .. } => "replica-differs",
        };
        let subject = format!("log {partition}/{offset}:");
        let said = told.map(|told| {
            let ResultBody::Result { outcome, .. } = &told.body;
            *outcome
        });
        if said != Some(entry.outcome) {
            let name = if said.is_none() { "replica-differs" } else { name };
            let text = format!(
                "replica {} made {said:?} of {event:?} at {partition}/{offset}; it is {:?}",
                r + 1,
                entry.outcome
            );
            self.violated(name, text, vec![subject]);
            return;
        }
        let (Outcome::Reserved { version } | Outcome::Released { version } | Outcome::Restocked { version }) =
            entry.outcome
        else {
            return;
        };
        if version != offset {
            return;
        }
        let product = match event {
            LogEvent::Reserve { product_id, .. } | LogEvent::Restock { product_id, .. } => product_id.clone(),
            LogEvent::Release { order_id } => self.model.order(*order_id).expect("it was released").product.clone(),
        };
        let (replica, _) = self.replicas[r].running.as_ref().expect("it applies");
        let held = replica.product(&product).map(|p| p.newest());
        let truth = self.model.at(&product, version);
        if held.map(|held| (held.version, Some(held.stock))) != Some((version, truth)) {
            let text = format!(
                "replica {} holds {held:?} of {product} after {partition}/{offset}; it is {truth:?}",
                r + 1
            );
            self.violated(name, text, vec![subject]);
        }
    }

    /// A client was told what became of its order.
    pub(crate) fn check_placed(
        &mut self,
        client: usize,
        key: Option<&str>,
        product: &ProductId,
        quantity: u64,
        placed: &Placed,
    ) {
        let order = match placed {
            Placed::Stands(order) => order,
            Placed::KeyTaken => {
                self.count("key taken");
                let reused = key.is_some_and(|key| self.clients[client].reused.contains(key));
                if !reused {
                    let text = format!("client {client} was told that its key {key:?} stands for another order");
                    self.violated("lost-order", text, vec![format!("client {client}")]);
                }
                return;
            }
            Placed::Busy => return self.count("busy"),
            Placed::NotAccepted => return self.count("not accepted"),
        };
        self.count("looked: orders told of");
        let what = match order.status {
            OrderStatus::Pending => "pending",
            OrderStatus::Confirmed => "confirmed",
            OrderStatus::Rejected => "rejected",
            OrderStatus::Cancelled => "cancelled",
        };
        self.count(what);
        if matches!(order.status, OrderStatus::Confirmed | OrderStatus::Rejected) {
            self.decided.insert(order.order_id);
        }
        let known = self.model.order(order.order_id);
        let stands = known.is_some_and(|known| {
            let same = known.product == *product && known.quantity == quantity;
            let standing = match order.status {
                OrderStatus::Pending => true,
                OrderStatus::Confirmed => {
                    let version = order.version.map(|version| Outcome::Reserved { version });
                    known.standing != Standing::Never && version == Some(known.first)
                }
                OrderStatus::Rejected => known.standing == Standing::Never,
                OrderStatus::Cancelled => known.standing == Standing::GivenBack,
            };
            same && standing
        });
        if !stands {
            let text = format!(
                "client {client} was told {what} of order {} ({quantity} of {product}, version {:?}); the log says {known:?}",
                order.order_id, order.version
            );
            let subjects = vec![order.order_id.to_string(), format!("client {client}")];
            self.violated("lost-order", text, subjects);
        }
    }

    /// A client was told what became of its cancel.
    pub(crate) fn check_cancelled(&mut self, id: tolerancia_core::OrderId, cancelled: &Cancelled) {
        let standing = self.model.order(id).map(|order| order.standing);
        let right = match cancelled {
            Cancelled::Stands(order) if order.status == OrderStatus::Cancelled => {
                self.count("cancels");
                standing == Some(Standing::GivenBack)
            }
            Cancelled::Stands(_) => return self.count("cancels pending"),
            Cancelled::Unknown => standing.is_none(),
            Cancelled::Refused(Refusal::UnknownOrder) => standing.is_none(),
            Cancelled::Refused(Refusal::AlreadyReleased) => standing == Some(Standing::GivenBack),
            Cancelled::Refused(Refusal::NeverConfirmed) => standing == Some(Standing::Never),
            Cancelled::Busy | Cancelled::NotAccepted => return self.count("cancels not accepted"),
        };
        self.count("looked: cancels told of");
        if !right {
            let text = format!("a client was told {cancelled:?} of its cancel of {id}; the log says {standing:?}");
            self.violated("cancel-undoes", text, vec![id.to_string()]);
        }
    }

    /// A client was told the stock of a product.
    pub(crate) fn check_read(&mut self, product: &ProductId, least: Option<u64>, read: &Read) {
        let voted = match read {
            Read::NoQuorum => return self.count("no quorum"),
            Read::Unknown => {
                let text = format!("a client was told that there is no {product}");
                return self.violated("wrong-answer", text, vec![product.to_string()]);
            }
            Read::Voted(voted) => voted,
        };
        self.count("looked: answers");
        let truth = self.model.at(product, voted.version);
        if truth != Some(voted.stock) {
            let text = format!(
                "a client was told {} of {product} at version {}; it is {truth:?}",
                voted.stock, voted.version
            );
            self.violated("wrong-answer", text, vec![product.to_string()]);
        }
        if !voted.fresh {
            return self.count("answers not fresh");
        }
        let Some(least) = least.filter(|_| !self.lied.contains(&true)) else {
            return;
        };
        self.count("looked: own writes read");
        if voted.version < least {
            let text = format!(
                "a client was told version {} of {product} as fresh after its own write made {least}",
                voted.version
            );
            self.violated("went-back", text, vec![product.to_string()]);
        }
    }

    /// Somebody calls a replica a liar.
    pub(crate) fn check_accused(&mut self, replica: ReplicaId, text: &str) {
        if !self.lied[replica.index()] {
            let text = format!("replica {replica} never lied and is called a liar: {text}");
            self.violated("honest-accused", text, vec![format!("replica {replica}")]);
        } else {
            self.count("looked: liars accused");
        }
    }

    /// A replica is turned OFF.
    pub(crate) fn check_cause(&mut self, r: usize, change: &Change) {
        self.count("looked: verdicts OFF");
        let now = self.now;
        let near = |fault: &Fault| fault.from <= now && now <= fault.to + self.config.restart + GRACE;
        let late = PROOF + self.longest_outage();
        let late_proof = change.kind == CauseKind::Dissent && self.lied_at[r].is_some_and(|at| now <= at + late);
        let cause = |fault: &&Fault| match (change.kind, fault.kind) {
            (CauseKind::Dissent, Kind::Lie) => fault.touches(r),
            (CauseKind::Dissent, _) => false,
            (_, Kind::Crash | Kind::Freeze) if !matches!(fault.node, Node::Replica(_)) => fault.node == Node::Voter,
            (_, kind) => !matches!(kind, Kind::ClockStep | Kind::Database | Kind::DiskFull) && fault.touches(r),
        };
        if !late_proof
            && !self
                .faults
                .iter()
                .filter(|fault| near(fault))
                .any(|fault| cause(&fault))
        {
            let text = format!("replica {} is turned OFF without a cause: {}", r + 1, change.text);
            self.violated("no-cause", text, vec![format!("replica {}", r + 1)]);
        }
    }

    /// How long the longest fault of the run lasts, with the restart that may follow.
    fn longest_outage(&self) -> Ns {
        let longest = self.faults.iter().map(|fault| fault.to - fault.from).max();
        longest.unwrap_or(0) + self.config.restart
    }

    /// A fault ends: was it found?
    pub(crate) fn check_detected(&mut self, fault: &Fault) {
        let Node::Replica(r) = fault.node else { return };
        let (from, to) = (fault.from, fault.to);
        let detectable = match fault.kind {
            Kind::Freeze | Kind::Crash | Kind::Stale => true,
            Kind::Slow => fault.amount >= 600,
            Kind::Intermittent => fault.chance >= 0.5,
            Kind::Lie => matches!(fault.lie, Lie::Stock | Lie::Future | Lie::Garbled | Lie::Any),
            Kind::Cut => fault.other != Node::Log,
            _ => false,
        };
        let least = match fault.kind {
            Kind::Crash => 300 * MS,
            Kind::Slow | Kind::Intermittent if fault.scope != Scope::All => LASTING + SEC,
            _ => LASTING,
        };
        // What keeps the monitor from seeing, or the voter from comparing.
        let in_the_way = |other: &Fault| {
            let overlaps = other.from < to && other.to + self.config.restart + SEC > from;
            let same = std::ptr::eq(other, fault)
                || (other.kind == fault.kind && other.node == fault.node && other.from == from);
            overlaps
                && !same
                && match other.kind {
                    Kind::ClockStep | Kind::Database | Kind::DiskFull => false,
                    Kind::Crash | Kind::Freeze if other.node == Node::Orders => false,
                    _ => true,
                }
        };
        let disturbed = self.faults.iter().any(in_the_way);
        if !detectable || to - from < least || disturbed {
            return;
        }
        self.count("looked: faults that last");
        // Wherever it stands now, or it was OFF and is back because the fault lets it.
        let off = !self.monitor.on[r] || self.monitor.off_at[r].is_some_and(|at| at >= from);
        if !off {
            let text = format!(
                "{} of replica {} from {from} to {to} ns: {fault:?}",
                fault.kind.name(),
                r + 1
            );
            self.violated(
                "not-detected",
                text,
                vec![format!("replica {}", r + 1), format!("Replica({r})")],
            );
        }
    }

    /// All is healed: is all well?
    pub(crate) fn look(&mut self) {
        if let Some(missing) = self.missing() {
            if self.now > self.healed_at + RECOVERY {
                let text = format!("{} s after the last fault: {missing}", RECOVERY / SEC);
                self.violated("not-recovered", text, vec!["monitor".to_owned(), "FAULT".to_owned()]);
                self.over = true;
            } else {
                self.after(250 * MS, Event::Look);
            }
            return;
        }
        self.count("looked: recoveries");
        self.over = true;
    }

    /// What is not as it should be when all is healed.
    fn missing(&mut self) -> Option<String> {
        if let Some(r) = (0..self.config.replicas).find(|r| !self.monitor.on[*r] || !self.voter.on[*r]) {
            return Some(format!(
                "replica {} is not ON (the monitor: {}, the voter: {})",
                r + 1,
                self.monitor.on[r],
                self.voter.on[r]
            ));
        }
        let ends = self.log.ends();
        let first = self.replicas[0].running.as_ref().map(|(replica, _)| replica.ledger());
        for node in &self.replicas {
            let Some((replica, _)) = node.ready() else {
                return Some(format!("replica {} is not there", node.id));
            };
            let at: Vec<u64> = replica.positions().values().copied().collect();
            if at != ends {
                return Some(format!("replica {} has applied {at:?} of {ends:?}", node.id));
            }
            if Some(replica.ledger()) != first {
                return Some(format!("replica {} differs from replica 1", node.id));
            }
            for product in self.model.products() {
                let held = replica.product(product).map(|p| (p.newest().version, p.newest().stock));
                if held != self.model.newest(product) {
                    return Some(format!("replica {} holds {held:?} of {product}", node.id));
                }
            }
        }
        // An undo waits in memory: it ends with the process.
        if self.orders.inc == 0
            && let Some(id) = self.model.held().filter(|id| !self.known.contains(id)).min()
        {
            return Some(format!("order {id} is reserved, and no client was told of it"));
        }
        let decided = self.decided.len();
        let orders = self.config.mix[1] + self.config.mix[2] > 0;
        if orders && self.healed_at <= self.now && decided <= *self.decided_at_heal.get_or_insert(decided) {
            return Some("no order was decided since".to_owned());
        }
        None
    }
}
