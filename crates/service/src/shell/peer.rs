//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The other end of the connection that a request came over, among the request's extensions. Behind a proxy that is
/// the proxy: what a header says about others, anybody could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);
