//! One client: sends a request, waits for its answer, thinks, sends the next.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::time::mono_ns;

use super::Shared;
use super::http::PATIENT;
use super::memory::{Known, Memory, Sent, body, other_body};
use crate::load::api::Failure;
use crate::torture::history::{Answer, Entry, Request};

/// How often an order without an answer is sent again at once.
const RETRIES: u16 = 4;

/// A client with its memory and its dice.
pub(super) struct Client {
    pub(super) number: u16,
    pub(super) shared: Arc<Shared>,
    pub(super) rng: ChaCha8Rng,
    pub(super) memory: Memory,
    /// Mean of the pause between two requests.
    pub(super) pause: Duration,
}

impl Client {
    /// Sends until `stop`, or until there is no room for more answers.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() && self.shared.has_room() {
            self.step(&stop).await;
            self.think(&stop).await;
        }
    }

    /// Evenly distributed around the mean, so that clients do not march in step.
    async fn think(&mut self, stop: &CancellationToken) {
        let pause = self.pause.mul_f64(self.rng.random_range(0.2..1.8));
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }

    async fn step(&mut self, stop: &CancellationToken) {
        match self.rng.random_range(0..100) {
            0..34 => self.order_new(stop).await,
            34..46 => self.order_again().await,
            46..64 => self.cancel_open(stop).await,
            64..70 => self.cancel_wrongly().await,
            70..94 => {
                let product = self.shared.products.choose(&mut self.rng).cloned();
                if let Some(product) = product {
                    self.read(product).await;
                }
            }
            94..98 => self.read_all().await,
            _ => {
                let nowhere = "NO-SUCH-PRODUCT".parse().expect("a valid name");
                self.read(nowhere).await;
            }
        }
    }

    /// Most wait for the answer; some hang up at any moment.
    fn patience(&mut self) -> Duration {
        if self.rng.random_bool(0.03) {
            Duration::from_micros(self.rng.random_range(300..30_000))
        } else {
            PATIENT
        }
    }

    async fn order_new(&mut self, stop: &CancellationToken) {
        let body = body(&mut self.rng, &self.shared.products);
        let key = self.shared.next_key();
        let mut times = 0;
        let mut answer = Answer::Failed { why: Failure::Dropped };
        // As a careful client does: the same key until somebody says what became of it.
        while times <= RETRIES {
            answer = self.order(key, &body, times).await;
            times += 1;
            let is_open = matches!(answer, Answer::Failed { .. } | Answer::Pending { .. });
            if !is_open || stop.is_cancelled() {
                break;
            }
            let pause = Duration::from_millis(self.rng.random_range(20..400) * u64::from(times));
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        let product = body.product_id.clone();
        let order = answer.order().unwrap_or_else(|| self.shared.order_of(key, &product));
        let known = Known { order, key, product };
        self.memory.sent.push(Sent { key, body, times });
        match answer {
            Answer::Rejected { .. } | Answer::KeyTaken | Answer::Malformed { .. } => {
                self.memory.closed.push(known);
            }
            _ => {
                let confirmed = matches!(answer, Answer::Confirmed { .. });
                let product = known.product.clone();
                let due = self.memory.open.push(known);
                if confirmed && self.rng.random_bool(0.8) {
                    self.read(product).await;
                }
                // So that stock lasts: an order that would be forgotten is cancelled.
                if let Some(due) = due {
                    self.cancel(due).await;
                }
            }
        }
    }

    /// Sends a key once more, mostly with the same body.
    async fn order_again(&mut self) {
        let Some(sent) = self.memory.sent.any(&mut self.rng) else {
            return;
        };
        let (key, mut body, times) = (sent.key, sent.body.clone(), sent.times);
        sent.times = sent.times.saturating_add(1);
        if self.rng.random_bool(0.25) {
            body = other_body(&mut self.rng, &body, &self.shared.products);
        }
        self.order(key, &body, times).await;
    }

    async fn cancel_open(&mut self, stop: &CancellationToken) {
        let Some(known) = self.memory.open.take(&mut self.rng) else {
            return self.order_new(stop).await;
        };
        self.cancel(known).await;
    }

    /// What cannot be cancelled, or need not be any more.
    async fn cancel_wrongly(&mut self) {
        if self.rng.random_bool(0.7)
            && let Some(known) = self.memory.closed.take(&mut self.rng)
        {
            return self.cancel(known).await;
        }
        let product = self.shared.products.choose(&mut self.rng);
        let partition = product.map_or(0, |product| self.shared.partition_of(product));
        let order = OrderId::from_random(partition, self.rng.random());
        let patience = self.patience();
        let sent_ns = mono_ns();
        let answer = self.shared.http.cancel(order, patience).await;
        self.keep(sent_ns, Request::Cancel { order, key: None }, answer);
    }

    async fn order(&mut self, key: u32, body: &OrderRequest, attempt: u16) -> Answer {
        let patience = self.patience();
        let sent_ns = mono_ns();
        let answer = self.shared.http.order(body, &self.shared.key(key), patience).await;
        let OrderRequest { product_id, quantity } = body.clone();
        if let Answer::Confirmed { version, .. } = &answer {
            self.memory.learn(&product_id, *version);
        }
        let request = Request::Order {
            key,
            product: product_id,
            quantity,
            attempt,
        };
        self.keep(sent_ns, request, answer.clone());
        answer
    }

    async fn cancel(&mut self, known: Known) {
        let patience = self.patience();
        let sent_ns = mono_ns();
        let answer = self.shared.http.cancel(known.order, patience).await;
        let request = Request::Cancel {
            order: known.order,
            key: Some(known.key),
        };
        let product = known.product.clone();
        let done = match &answer {
            Answer::Cancelled { version } => {
                self.memory.learn(&product, *version);
                true
            }
            _ => false,
        };
        self.keep(sent_ns, request, answer);
        self.memory.closed.push(known);
        if done && self.rng.random_bool(0.8) {
            self.read(product).await;
        }
    }

    async fn read(&mut self, product: ProductId) {
        let known = self.memory.known.get(&product).copied();
        let patience = self.patience();
        let sent_ns = mono_ns();
        let answer = self.shared.http.product(&product, patience).await;
        let request = Request::Read {
            product,
            known,
            all: false,
        };
        self.keep(sent_ns, request, answer);
    }

    async fn read_all(&mut self) {
        let patience = self.patience();
        let sent_ns = mono_ns();
        let request = |product: &ProductId| Request::Read {
            product: product.clone(),
            known: self.memory.known.get(product).copied(),
            all: true,
        };
        match self.shared.http.all(patience).await {
            Ok(answers) => {
                let told: Vec<_> = answers
                    .into_iter()
                    .filter_map(|answer| match &answer {
                        Answer::Stock { product, .. } => Some((request(product), answer)),
                        _ => None,
                    })
                    .collect();
                for (request, answer) in told {
                    self.keep(sent_ns, request, answer);
                }
            }
            Err(answer) => {
                if let Some(request) = self.shared.products.first().map(request) {
                    self.keep(sent_ns, request, answer);
                }
            }
        }
    }

    fn keep(&self, sent_ns: u64, request: Request, answer: Answer) {
        self.shared.keep(Entry {
            client: self.number,
            sent_ns,
            ended_ns: mono_ns(),
            request,
            answer,
        });
    }
}
