//! Whether the system is in its steady state: what an experiment starts from and returns to.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};
use tolerancia_client::http;
use tolerancia_client::inject::{self, InjectError};
use tolerancia_core::ProductId;
use tolerancia_wire::Stamp;
use tolerancia_wire::health::Health;
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::status::{SystemStatus, Verdict};
use tolerancia_wire::time::mono_ns;

use super::runner::Lab;
use super::{ExperimentError, Target};
use crate::load::api::{Api, Ordered};
use crate::ui::Progress;

/// How long the steady state is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Which check of the steady state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// After the baseline, before the first trial.
    AfterBaseline,
    /// Right before a trial, counted from 0 in their order.
    BeforeTrial(usize),
    /// After it, when its instances are ON again.
    AfterTrial(usize),
}

/// A check of the steady state: every service healthy, every instance ON for a while, a voted query and an order work,
/// and before a trial no fault is active.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SteadyCheck {
    pub when: When,
    /// When it ended.
    pub at: Stamp,
    /// How long it was waited for, in milliseconds.
    pub waited_ms: f64,
    /// What was missing at the end; `None`: the system was steady.
    pub missing: Option<String>,
}

impl Lab {
    /// Waits for the steady state and records how that went.
    pub(super) async fn check_steady(&self, when: When) -> Result<(), String> {
        let begun = Stamp::now();
        let mut steady = self.steady.wait(self.pace.settle, &self.progress).await;
        if steady.is_ok() && matches!(when, When::BeforeTrial(_)) {
            let active = self.steady.no_fault_is_active().await;
            steady = active.map_err(|error| error.to_string());
        }
        let at = Stamp::now();
        self.locked().steady_checks.push(SteadyCheck {
            when,
            at,
            waited_ms: at.ms_since(begun),
            missing: steady.clone().err(),
        });
        steady
    }
}

/// Looks at the system.
#[derive(Debug)]
pub(crate) struct Steady {
    client: reqwest::Client,
    api: Api,
    target: Target,
}

impl Steady {
    pub(crate) fn new(api: Api, target: Target) -> Self {
        Self {
            client: http::client(Duration::from_secs(2)),
            api,
            target,
        }
    }

    /// Waits, up to 60 s, until every service is healthy, every instance has been ON for at least `on`, a voted
    /// query is answered and an order is processed. Otherwise says what is missing.
    pub(crate) async fn wait(&self, on: Duration, progress: &Progress) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(missing) = self.look(on).await else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(missing);
            }
            progress.live(format!("waiting for the steady state: {missing}"));
            sleep(PAUSE).await;
        }
    }

    async fn look(&self, on: Duration) -> Result<(), String> {
        let Target {
            voter_url,
            orders_url,
            monitor_url,
            inventory_urls,
            ..
        } = &self.target;
        let services = [voter_url, orders_url, monitor_url].into_iter().chain(inventory_urls);
        try_join_all(services.map(async |url| self.get::<Health>(&format!("{url}/health")).await)).await?;
        let status = self.status().await?;
        if status.replicas != self.target.replicas || status.instances.len() != self.target.replicas {
            return Err(format!(
                "the monitor watches {} replicas, the experiment is about {}",
                status.replicas, self.target.replicas
            ));
        }
        for instance in status.instances {
            let since = Duration::from_nanos(mono_ns().saturating_sub(instance.since.mono_ns));
            if instance.status != Verdict::On || since < on {
                let state = if instance.status == Verdict::On { "ON" } else { "OFF" };
                let ms = since.as_millis();
                return Err(format!(
                    "instance {} is {state} since {ms} ms ({})",
                    instance.instance, instance.reason.text
                ));
            }
        }
        self.try_it().await
    }

    /// A query and an order, which is cancelled again.
    async fn try_it(&self) -> Result<(), String> {
        let product_id: ProductId = self.products().await?.swap_remove(0);
        let failed = |what: &str, failure| format!("{what} fails: {failure}");
        self.api
            .query(&product_id)
            .await
            .map_err(|failure| failed("a voted query", failure))?;
        let order = OrderRequest {
            product_id,
            quantity: 1,
        };
        match self.api.order(&order, None).await {
            Ok(Ordered::Confirmed { order, .. }) => {
                let cancelled = self.api.cancel(order).await;
                cancelled.map(drop).map_err(|failure| failed("a cancel", failure))
            }
            // Sold out: processed all the same.
            Ok(Ordered::Rejected { .. }) => Ok(()),
            Ok(Ordered::Pending { .. }) => Err("an order stays pending".to_owned()),
            Err(failure) => Err(failed("an order", failure)),
        }
    }

    /// The names of all products.
    pub(crate) async fn products(&self) -> Result<Vec<ProductId>, String> {
        self.api.products().await
    }

    /// The monitor's view.
    pub(crate) async fn status(&self) -> Result<SystemStatus, String> {
        self.get(&format!("{}/status", self.target.monitor_url)).await
    }

    /// The health of every replica.
    pub(crate) async fn replicas(&self) -> Vec<Result<Health, String>> {
        let urls = self.target.inventory_urls.iter();
        join_all(urls.map(async |url| self.get(&format!("{url}/health")).await)).await
    }

    /// Whether faults can be injected and none is active. Waiting would change neither.
    pub(crate) async fn no_fault_is_active(&self) -> Result<(), ExperimentError> {
        let token = self.target.fault_token.as_deref();
        for url in &self.target.inventory_urls {
            match inject::status(url, token).await {
                Ok(state) => {
                    if let Some(active) = state.active {
                        return Err(ExperimentError::NotSteady(format!(
                            "the fault {} is active in instance {}: end it with `tolerancia inject clear --instance {}`",
                            active.spec.fault, state.instance, state.instance
                        )));
                    }
                }
                // Not up yet: the steady state is still to come.
                Err(InjectError::NoAnswer { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        http::get_json(&self.client, url).await
    }
}
