//! Connections and routes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rama::layer::MapErrLayer;
use rama::{Context, Layer as _, Service};
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::service::{coordinator, storage};
use tansu_broker::{Error, NODE_ID};
use tansu_sans_io::{FetchRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, Request, Response};
use tansu_service::{
    BytesFrameLayer, FrameRequestLayer, FrameRouteBuilder, FrameRouteService, TcpBytesLayer, TcpContext,
    TcpContextLayer,
};
use tansu_storage::{BrokerRegistrationRequest, Storage as _, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, error, warn};
use url::Url;
use uuid::Uuid;

use crate::fetch::Fetch;
use crate::log::Log;
use crate::offsets::{InitProducerId, ListOffsets};
use crate::produce::Produce;
use crate::versions::PlainVersions;

/// Connections at a time: a service has a handful.
const MOST_CLIENTS: usize = 512;
const CLUSTER: &str = "tolerancia";
/// Between two rounds of deleting what is too old and compacting what is to be compacted.
const MAINTENANCE: Duration = Duration::from_secs(600);
/// Between two looks at whether the storage still answers.
const WATCH: Duration = Duration::from_secs(1);

/// Opens the log in the working directory's file `name` for clients that reach this broker at `address`.
pub(crate) async fn open(address: SocketAddr, name: &str) -> Result<Arc<Log>> {
    let storage = StorageContainer::builder()
        .cluster_id(CLUSTER)
        .node_id(NODE_ID)
        .advertised_listener(format!("tcp://{address}").parse::<Url>()?)
        .storage(format!("sqlite:///{name}").parse::<Url>()?)
        .silent(true)
        .build()
        .await?;
    let registration = BrokerRegistrationRequest {
        broker_id: NODE_ID,
        cluster_id: CLUSTER.to_owned(),
        incarnation_id: Uuid::new_v4(),
        rack: None,
    };
    storage.register_broker(registration).await?;
    Ok(Arc::new(Log::open(storage, Path::new(name), CLUSTER).await?))
}

/// Serves until the storage fails.
pub(crate) async fn serve(listener: TcpListener, log: Arc<Log>) -> Result<()> {
    let routes = routes(&log)?;
    let service = Arc::new(
        (
            TcpContextLayer::new(TcpContext::default().cluster_id(Some(CLUSTER.to_owned()))),
            TcpBytesLayer::<()>::default(),
            BytesFrameLayer::default(),
        )
            .into_layer(PlainVersions(routes)),
    );
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    let mut maintenance = interval(MAINTENANCE);
    let mut watch = interval(WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => connection(Arc::clone(&service), stream, place),
                    Err(_) => warn!("{MOST_CLIENTS} connections are open: another one is refused"),
                },
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            _ = maintenance.tick() => {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    if let Err(error) = log.storage.maintain(SystemTime::now()).await {
                        warn!(%error, "old records could not be deleted");
                    }
                });
            }
            // Without its worker the storage refuses everything; a new process is whole again.
            _ = watch.tick() => log.storage.ping().await.context("the broker's storage has failed: start it again")?,
        }
    }
}

/// Serves one client in a task that only the client ends: see [`crate::log`].
fn connection<S>(service: Arc<S>, stream: TcpStream, place: OwnedSemaphorePermit)
where
    S: Service<(), TcpStream, Error = Error>,
{
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a client went away at once");
        return;
    }
    tokio::spawn(async move {
        let _place = place;
        match service.serve(Context::default(), stream).await {
            Err(Error::Io(error)) => debug!(%error, "a client went away"),
            Err(error) => error!(%error, "a client was cut off"),
            Ok(_) => {}
        }
    });
}

fn routes(log: &Arc<Log>) -> Result<FrameRouteService<(), Error>> {
    let storage = &log.storage;
    let mut routes = FrameRouteService::<(), Error>::builder();
    for add in [
        storage::consumer_group_describe,
        storage::create_topics,
        storage::delete_groups,
        storage::describe_cluster,
        storage::describe_configs,
        storage::describe_groups,
        storage::describe_topic_partitions,
        storage::find_coordinator,
        storage::list_groups,
        storage::metadata,
    ] {
        routes = add(routes, storage.clone())?;
    }
    routes = coordinator::services(routes, Controller::with_storage(storage.clone())?)?;
    routes = route::<FetchRequest, _>(routes, Fetch(Arc::clone(log)))?;
    routes = route::<ProduceRequest, _>(routes, Produce(Arc::clone(log)))?;
    routes = route::<ListOffsetsRequest, _>(routes, ListOffsets(Arc::clone(log)))?;
    routes = route::<InitProducerIdRequest, _>(routes, InitProducerId(Arc::clone(log)))?;
    Ok(routes.build()?)
}

fn route<Q, S>(routes: FrameRouteBuilder<(), Error>, service: S) -> Result<FrameRouteBuilder<(), Error>>
where
    Q: Request + TryFrom<tansu_sans_io::Body>,
    <Q as TryFrom<tansu_sans_io::Body>>::Error: Into<tansu_storage::Error>,
    S: Service<(), Q, Error = tansu_storage::Error>,
    S::Response: Response,
{
    let service = (MapErrLayer::new(Error::from), FrameRequestLayer::<Q>::new()).into_layer(service);
    Ok(routes.with_route(Q::KEY, service.boxed())?)
}
