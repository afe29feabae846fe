//! The topics: created once, looked up, and where they end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, sleep};
use tolerancia_wire::topic::{self, Keep, TopicSpec};
use tracing::{debug, info, warn};

use crate::link::{Context, Link};
use crate::{BusConfig, BusError, Result};

/// How long a starting broker is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// One attempt.
const ATTEMPT: Duration = Duration::from_secs(3);
/// An attempt that has not ended by then does not end: see [`blocking`].
const GIVEN_UP: Duration = Duration::from_secs(9);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a broker of a cluster may not know a topic that another one has just shown.
const SETTLE: Duration = Duration::from_secs(3);
/// Kafka deletes whole segments, and keeps one open for a week if nothing says otherwise: with this many per
/// retention, records stay at most so much longer.
const SEGMENTS: u32 = 6;

/// Creates the topics that are missing and waits until the brokers show all of them. A broker that is
/// still starting is waited for, up to 30 s.
///
/// # Errors
/// When no broker answers in time, one refuses to create a topic, or one that must keep everything is compacted.
pub async fn ensure_topics(config: &BusConfig) -> Result<()> {
    let link = Link::new(config, format!("{}-admin", config.client_id));
    let admin: AdminClient<Context> = config
        .client()
        .create_with_context(Context(Arc::clone(&link)))
        .map_err(BusError::Config)?;
    let admin = Arc::new(admin);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match existing(&admin).await {
            Ok(existing) => {
                for spec in &topic::ALL {
                    if let Some(&count) = existing.get(spec.name) {
                        check_count(config, spec, count);
                    }
                }
                let missing: Vec<_> = topic::ALL
                    .iter()
                    .filter(|spec| !existing.contains_key(spec.name))
                    .collect();
                if missing.is_empty() {
                    return check_settings(&admin).await;
                }
                match create(&admin, config, &missing).await {
                    // Once more around: the brokers must show them.
                    Ok(()) => "the new topics do not appear".to_owned(),
                    Err(BusError::NotSent(error)) => error.to_string(),
                    Err(error) => return Err(error),
                }
            }
            // That there is no connection is true, but not why.
            Err(error) => link.refused().unwrap_or_else(|| error.to_string()),
        };
        debug!(last, "the topics are not there yet");
        if Instant::now() >= deadline {
            let bootstrap = config.bootstrap.clone();
            return Err(BusError::Unreachable { bootstrap, last });
        }
        sleep(PAUSE).await;
    }
}

/// Partitions of each topic that exists.
async fn existing(admin: &Arc<AdminClient<Context>>) -> Result<BTreeMap<String, usize>, KafkaError> {
    let admin = Arc::clone(admin);
    blocking(GIVEN_UP, move || {
        let metadata = admin.inner().fetch_metadata(None, ATTEMPT)?;
        let topics = metadata.topics().iter();
        Ok(topics
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty())
            .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
            .collect())
    })
    .await
}

/// The count of an existing topic stands: changing it would move keys to other partitions.
fn check_count(config: &BusConfig, spec: &TopicSpec, count: usize) {
    if spec.partitioned && count != usize::from(config.partitions) {
        warn!(
            topic = spec.name,
            partitions = count,
            configured = config.partitions,
            "the topic exists with another number of partitions, which is kept"
        );
    }
}

/// Whether topics that must keep everything do, as far as the brokers tell: compaction leaves holes that no reader
/// sees, and a state that is made from what is left is wrong.
async fn check_settings(admin: &AdminClient<Context>) -> Result<()> {
    for spec in topic::ALL.iter().filter(|spec| spec.keep == Keep::Forever) {
        let options = AdminOptions::new().request_timeout(Some(ATTEMPT));
        let of = [ResourceSpecifier::Topic(spec.name)];
        let settings = admin.describe_configs(&of, &options).await;
        let settings = match settings.map(|mut all| all.pop()) {
            Ok(Some(Ok(settings))) => settings,
            // Not every client may ask, and the embedded broker need not answer.
            other => {
                debug!(topic = spec.name, ?other, "the settings of the topic are not known");
                continue;
            }
        };
        let value = |name| settings.get(name).and_then(|entry| entry.value.as_deref());
        if value("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
            return Err(BusError::Forgetful(spec.name.to_owned()));
        }
        for name in ["retention.ms", "retention.bytes"] {
            if let Some(kept) = value(name).filter(|kept| *kept != "-1") {
                warn!(
                    topic = spec.name,
                    "{name} is {kept}: the topic must keep everything, set it to -1"
                );
            }
        }
    }
    Ok(())
}

async fn create(admin: &AdminClient<Context>, config: &BusConfig, missing: &[&TopicSpec]) -> Result<()> {
    let ages: Vec<_> = missing.iter().map(|spec| ages(spec.keep)).collect();
    let topics: Vec<_> = missing
        .iter()
        .zip(&ages)
        .map(|(spec, ages)| new_topic(config, spec, ages))
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ATTEMPT))
        .operation_timeout(Some(ATTEMPT));
    for result in admin
        .create_topics(&topics, &options)
        .await
        .map_err(BusError::NotSent)?
    {
        match result {
            Ok(topic) => info!(topic, "topic created"),
            // Another service was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) if is_passing(code) => {
                return Err(BusError::NotSent(KafkaError::AdminOp(code)));
            }
            Err((topic, code)) => return Err(BusError::CreateTopic { topic, code }),
        }
    }
    Ok(())
}

/// Retention and age of a segment in milliseconds, as text.
fn ages(keep: Keep) -> [String; 2] {
    match keep {
        Keep::For(time) => [time, time / SEGMENTS].map(|age| age.as_millis().to_string()),
        Keep::Forever | Keep::NewestOfKey => Default::default(),
    }
}

fn new_topic<'a>(config: &BusConfig, spec: &'a TopicSpec, [retention, segment]: &'a [String; 2]) -> NewTopic<'a> {
    let partitions = if spec.partitioned { config.partitions.max(1) } else { 1 };
    let mut topic = NewTopic::new(
        spec.name,
        i32::from(partitions),
        TopicReplication::Fixed(config.replication),
    );
    if config.replication >= 3 {
        // With Kafka's default of 1, `acks=all` is kept by a leader that is alone, and lost with it.
        topic = topic.set("min.insync.replicas", "2");
    }
    match spec.keep {
        Keep::NewestOfKey => topic.set("cleanup.policy", "compact"),
        // No cleanup policy beside it: the embedded broker would read −1 as "older than now".
        Keep::Forever => topic.set("retention.ms", "-1").set("retention.bytes", "-1"),
        Keep::For(_) => topic
            .set("cleanup.policy", "delete")
            .set("retention.ms", retention)
            .set("segment.ms", segment),
    }
}

fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NotController
            | Code::CoordinatorNotAvailable
            | Code::NetworkException
            // Fewer brokers than copies: true while a cluster starts.
            | Code::InvalidReplicationFactor
    )
}

/// How many partitions `topic` has. Waits for a starting broker, up to 30 s.
///
/// # Errors
/// When no broker answers in time or the topic does not exist.
pub async fn partition_count(config: &BusConfig, topic: &str) -> Result<u16> {
    let client = probe(config)?;
    partitions(config, &client, topic).await
}

/// Where each partition of `topic` ends: the offset that its next record will get. Waits for a starting
/// broker, up to 30 s.
///
/// # Errors
/// When no broker answers in time or the topic does not exist.
pub async fn end_offsets(config: &BusConfig, topic: &str) -> Result<BTreeMap<u16, u64>> {
    let client = probe(config)?;
    let bounds = bounds(config, &client, topic).await?;
    Ok(bounds
        .into_iter()
        .map(|(partition, (_, end))| (partition, end))
        .collect())
}

fn probe(config: &BusConfig) -> Result<Arc<BaseConsumer<Context>>> {
    let link = Link::new(config, format!("{}-probe", config.client_id));
    let client = config.consumer().create_with_context(Context(link));
    Ok(Arc::new(client.map_err(BusError::Config)?))
}

/// A client whose metadata can be asked for.
pub(crate) trait Asks: Consumer<Context> + Send + Sync + 'static {}
impl<C: Consumer<Context> + Send + Sync + 'static> Asks for C {}

async fn partitions<C: Asks>(config: &BusConfig, client: &Arc<C>, topic: &str) -> Result<u16> {
    let settled = Instant::now() + SETTLE;
    loop {
        let name = topic.to_owned();
        let count = patiently(config, client, move |client| {
            let metadata = client.fetch_metadata(Some(&name), ATTEMPT)?;
            let topics = metadata.topics().iter();
            Ok(topics
                .filter(|found| found.name() == name)
                .map(|found| found.partitions().len())
                .sum::<usize>())
        })
        .await?;
        match u16::try_from(count) {
            Ok(count) if count > 0 => return Ok(count),
            _ if Instant::now() < settled => sleep(PAUSE).await,
            _ => return Err(BusError::UnknownTopic(topic.to_owned())),
        }
    }
}

/// The first offset and the end of each partition.
pub(crate) async fn bounds<C: Asks>(
    config: &BusConfig,
    client: &Arc<C>,
    topic: &str,
) -> Result<BTreeMap<u16, (u64, u64)>> {
    let count = partitions(config, client, topic).await?;
    let name = topic.to_owned();
    patiently(config, client, move |client| {
        let bound = |partition| {
            let (low, high) = client.fetch_watermarks(&name, i32::from(partition), ATTEMPT)?;
            let (low, high) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
            Ok((partition, (low.min(high), high)))
        };
        (0..count).map(bound).collect()
    })
    .await
}

/// Asks until there is an answer, or for 30 s.
async fn patiently<C: Asks, T: Send + 'static>(
    config: &BusConfig,
    client: &Arc<C>,
    ask: impl Fn(&Client<Context>) -> Result<T, KafkaError> + Send + Sync + 'static,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let ask = Arc::new(ask);
    loop {
        let (client, ask) = (Arc::clone(client), Arc::clone(&ask));
        match blocking(GIVEN_UP, move || ask(client.client())).await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => {
                return Err(BusError::Unreachable {
                    bootstrap: config.bootstrap.clone(),
                    last: error.to_string(),
                });
            }
            Err(error) => debug!(%error, "asking Kafka again"),
        }
        sleep(PAUSE).await;
    }
}

/// Runs one of librdkafka's blocking calls, each of which should end after [`ATTEMPT`]. It waits by the wall clock: where that
/// is set back meanwhile, it waits for hours. So one that does not end is left behind, with its thread, and has failed.
async fn blocking<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let Ok(ended) = tokio::time::timeout(limit, tokio::task::spawn_blocking(call)).await else {
        return Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut));
    };
    match ended {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => Err(KafkaError::Canceled),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_call_that_does_not_end_has_failed_and_holds_nobody_up() {
        // As librdkafka's do where the wall clock was set back while they wait.
        let (go_on, stuck) = std::sync::mpsc::channel::<()>();
        let asked = blocking(Duration::from_millis(20), move || {
            let _ = stuck.recv();
            Ok(())
        });
        let answer = tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap();
        assert_eq!(
            answer.unwrap_err().rdkafka_error_code(),
            Some(RDKafkaErrorCode::OperationTimedOut)
        );
        drop(go_on);
    }
}
