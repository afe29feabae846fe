//! Clients of the services' own HTTP interfaces, for those who look at the system from outside: the laboratory, the
//! command line, the dashboard.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`http`] | clients, and errors that say what happened |
//! | [`inject`] | breaks and mends one replica |
//! | [`process`] | finds a replica's process on this host |
//! | [`sse`] | reads streams of server-sent events |

pub mod http;
pub mod inject;
pub mod process;
pub mod sse;
