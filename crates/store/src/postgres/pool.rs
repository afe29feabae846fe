//! The connections to one database.
//!
//! Not `sqlx::Pool`: that one waits out its timeout on a refused connection and then does not say why, and it
//! tests a connection that is given back in a task without a bound. A few frozen ones would use up its permits,
//! and it would not come back until TCP gives them up, minutes after the outage. Here whoever has a connection
//! owns it: one that was not given back in order is closed, whether its call failed, was late or was dropped.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::error::{self, Fault};
use super::migrate;
use crate::error::{Result, StoreError};

/// Connections at most, those in use included.
const MOST: usize = 4;
/// How long a call waits for one of them.
const WAIT: Duration = Duration::from_secs(2);
/// How long connecting may take: name, TCP, TLS, password.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an idle connection may take to show that it is alive. Less than orders-svc waits for an answer, 250 ms:
/// after a restart that left the old connections silent there must be time for a new one and the query.
const PING: Duration = Duration::from_millis(100);
/// How long a connection stays open unused.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection stays open at all.
const LIFETIME: Duration = Duration::from_secs(1800);

/// See the module.
pub(super) struct Pool {
    /// Or why the URL cannot be used.
    pub(super) address: Result<Address>,
    permits: Semaphore,
    /// The one that was used last is the last.
    idle: Mutex<Vec<Open>>,
}

struct Open {
    connection: PgConnection,
    since: Instant,
    used: Instant,
}

impl Pool {
    pub(super) fn new(url: &str) -> Self {
        Self {
            address: Address::parse(url),
            permits: Semaphore::new(MOST),
            idle: Mutex::default(),
        }
    }

    /// A connection that is alive, to a database with the current schema. A caller that gives up waiting just
    /// drops this.
    pub(super) async fn lease(&self) -> Result<Lease<'_>> {
        let address = self.address.as_ref().map_err(Clone::clone)?;
        let Ok(Ok(permit)) = timeout(WAIT, self.permits.acquire()).await else {
            return Err(error::unavailable(
                address,
                "all connections are in use: it is too slow",
                "waiting for one",
            ));
        };
        let lease = |open| Lease {
            pool: self,
            address,
            open,
            _permit: permit,
        };
        if let Some(mut open) = self.take() {
            if let Ok(Ok(())) = timeout(PING, open.connection.ping()).await {
                return Ok(lease(open));
            }
            self.forget();
        }
        let Ok(connected) = timeout(CONNECT, address.options.connect()).await else {
            return Err(error::silent(address, CONNECT));
        };
        let mut connection = connected.map_err(|error| Fault::Sql(error).at(address))?;
        migrate::migrate(&mut connection)
            .await
            .map_err(|fault| migrate::explained(fault.at(address)))?;
        let now = Instant::now();
        Ok(lease(Open {
            connection,
            since: now,
            used: now,
        }))
    }

    /// The error of a call that got no answer for this long.
    pub(super) fn silent(&self, waited: Duration) -> StoreError {
        match &self.address {
            Ok(address) => error::silent(address, waited),
            Err(error) => error.clone(),
        }
    }

    /// Closes the idle connections: what killed or froze one has most likely done so to all.
    pub(super) fn forget(&self) {
        drop(std::mem::take(&mut *self.lock()));
    }

    fn take(&self) -> Option<Open> {
        let mut idle = self.lock();
        idle.retain(|open| open.used.elapsed() < IDLE && open.since.elapsed() < LIFETIME);
        idle.pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropping it closes it; [`Lease::end`] gives it back.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    address: &'a Address,
    open: Open,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Gives the connection back after a call with this outcome, unless it may be the connection's fault.
    pub(super) fn end<T>(mut self, outcome: std::result::Result<T, Fault>) -> Result<T> {
        let outcome = outcome.map_err(|fault| fault.at(self.address));
        if matches!(outcome, Err(StoreError::Unavailable(_))) {
            self.pool.forget();
        } else {
            self.open.used = Instant::now();
            self.pool.lock().push(self.open);
        }
        outcome
    }
}

impl Deref for Lease<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open.connection
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }
}
