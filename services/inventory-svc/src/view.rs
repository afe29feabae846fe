//! What queries read.
//!
//! The ledger belongs to one task; queries never touch it and never wait for it. After each batch that task
//! puts the changed products here, together with the positions, under a lock that is held for as long as a
//! few pointers take. So an answer's `applied` and its versions always belong together.
//!
//! A product's JSON is made when the product changes, not when it is asked for; only `applied`, which every
//! event of the partition moves, is filled in per answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tolerancia_core::ledger::{Product, StateDigest};
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::inventory::ReplicaProduct;
use tolerancia_wire::partition;

const APPLIED: &str = "\"applied\":";

/// One product's answer around the value of `applied`.
#[derive(Debug)]
struct Entry {
    partition: u16,
    head: String,
    tail: String,
}

impl Entry {
    fn new(answer: &ReplicaProduct) -> Self {
        let text = serde_json::to_string(answer).expect("an answer has only text keys");
        // No product's name contains a quotation mark, so the first such text is the field.
        let (head, rest) = text.split_once(APPLIED).expect("the field is always written");
        let tail = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        Self {
            partition: answer.partition,
            head: format!("{head}{APPLIED}"),
            tail: tail.to_owned(),
        }
    }

    fn write(&self, applied: u64, out: &mut String) {
        out.push_str(&self.head);
        write!(out, "{applied}").expect("text grows");
        out.push_str(&self.tail);
    }

    fn len(&self) -> usize {
        self.head.len() + 20 + self.tail.len()
    }
}

/// The state as the last batch left it.
#[derive(Debug, Default)]
struct State {
    products: BTreeMap<ProductId, Arc<Entry>>,
    applied: BTreeMap<u16, u64>,
    digest: StateDigest,
}

/// The read side of one replica.
#[derive(Debug)]
pub struct View {
    me: ReplicaId,
    ready: AtomicBool,
    state: RwLock<State>,
}

impl View {
    /// Nothing to show yet of the replica `me`, which is not ready.
    pub fn new(me: ReplicaId) -> Self {
        Self {
            me,
            ready: AtomicBool::new(false),
            state: RwLock::default(),
        }
    }

    /// Whether the log as it stood at start is applied.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The log as it stood at start is applied.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Shows these products as they are now, and all others as they were.
    pub fn publish<'a>(
        &self,
        changed: impl Iterator<Item = (&'a ProductId, &'a Product)>,
        applied: &BTreeMap<u16, u64>,
        digest: StateDigest,
    ) {
        let entries: Vec<_> = changed
            .map(|(id, product)| (id.clone(), Arc::new(self.entry(id, product))))
            .collect();
        let applied = applied.clone();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.products.extend(entries);
        state.applied = applied;
        state.digest = digest;
    }

    fn entry(&self, id: &ProductId, product: &Product) -> Entry {
        Entry::new(&ReplicaProduct {
            product_id: id.clone(),
            instance: self.me,
            partition: product.partition,
            applied: 0,
            versions: product.history.iter().copied().collect(),
        })
    }

    /// The answer about one product, and whether there is such a product.
    pub fn product(&self, id: &ProductId) -> (bool, Bytes) {
        let (found, partition, applied) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let found = state.products.get(id).cloned();
            let partition = found.as_ref().map_or_else(
                || partition::of_product(id, u16::try_from(state.applied.len()).unwrap_or(u16::MAX)),
                |entry| entry.partition,
            );
            (found, partition, state.applied.get(&partition).copied().unwrap_or(0))
        };
        let known = found.is_some();
        let entry = found.unwrap_or_else(|| Arc::new(self.nothing(id, partition)));
        let mut text = String::with_capacity(entry.len());
        entry.write(applied, &mut text);
        (known, text.into())
    }

    fn nothing(&self, id: &ProductId, partition: u16) -> Entry {
        let (product_id, instance) = (id.clone(), self.me);
        Entry::new(&ReplicaProduct {
            product_id,
            instance,
            partition,
            applied: 0,
            versions: Vec::new(),
        })
    }

    /// The answer about all products.
    pub fn inventory(&self) -> Bytes {
        let entries: Vec<(Arc<Entry>, u64)> = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let applied = |entry: &Entry| state.applied.get(&entry.partition).copied().unwrap_or(0);
            state
                .products
                .values()
                .map(|entry| (Arc::clone(entry), applied(entry)))
                .collect()
        };
        let mut text = String::with_capacity(64 + entries.iter().map(|(entry, _)| entry.len() + 1).sum::<usize>());
        write!(text, "{{\"instance\":\"{}\",\"products\":[", self.me).expect("text grows");
        for (i, (entry, applied)) in entries.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            entry.write(*applied, &mut text);
        }
        text.push_str("]}");
        text.into()
    }

    /// Positions and digest, which belong together.
    pub fn position(&self) -> (BTreeMap<u16, u64>, StateDigest) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.applied.clone(), state.digest)
    }
}
