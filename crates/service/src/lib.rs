//! What every service shares, so that none of them has to know how the others are started, how errors
//! look, or that faults can be injected.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`config`] | the parameters that all services have |
//! | [`logging`] | the log, on stderr |
//! | [`shutdown`] | the one way to stop |
//! | [`problem`], [`extract`] | errors and request bodies |
//! | [`shell`] | the HTTP server around a service's routes |
//! | [`metrics`] | Prometheus metrics |
//! | [`requests`] | request metrics for the database, second by second |
//! | [`streams`] | answers that go on: server-sent events, and how many listeners there may be |
//! | [`link`] | a kept-open HTTP/2 connection to another service |
//! | [`fault`] | the injected faults |

pub mod config;
pub mod extract;
pub mod fault;
pub mod link;
pub mod logging;
pub mod metrics;
pub mod problem;
pub mod requests;
pub mod shell;
pub mod shutdown;
pub mod streams;
