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
//! | [`openapi`] | routes with their description, and the document made of it |
//! | [`metrics`] | Prometheus metrics |
//! | [`requests`] | request metrics for the database, second by second |
//! | [`queues`] | how full everything is that something can wait in |
//! | [`streams`] | answers that go on: server-sent events, and how many listeners there may be |
//! | [`link`] | a kept-open HTTP/2 connection to another service |
//! | [`secret`] | texts that are not shown |
//! | [`fault`] | the injected faults |

pub mod config;
pub mod extract;
pub mod fault;
pub mod link;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod queues;
pub mod requests;
pub mod secret;
pub mod shell;
pub mod shutdown;
pub mod streams;
