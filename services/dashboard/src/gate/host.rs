//! Host names and ports, as `Host` and `Origin` write them.

use std::net::{IpAddr, Ipv6Addr};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// In lower case, without a dot at the end; an IPv6 address in brackets.
    pub host: String,
    /// If it is not the scheme's own.
    port: Option<u16>,
}

impl Authority {
    /// `HOST` or `HOST:PORT`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // The colons of an IPv6 address are in brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_name = |host: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !host.is_empty() && host.chars().all(is_part)
        };
        (is_name(&host) || v6(&host).is_some()).then_some(Self { host, port })
    }

    /// The host and port of an `Origin`; none of an opaque one.
    pub(super) fn of_origin(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let own = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = Self::parse(rest)?;
        Some(Self {
            port: authority.port.or(Some(own)),
            ..authority
        })
    }

    /// Whether this, of an origin, is what a `Host` header names; without a port, that is the scheme's own, which is known
    /// only to whoever is in front.
    pub(super) fn is_at(&self, host: &Self) -> bool {
        let is_port = match host.port {
            Some(port) => self.port == Some(port),
            None => matches!(self.port, Some(80 | 443)),
        };
        self.host == host.host && is_port
    }

    /// Whether nobody else can have made this name up: it is an address, `localhost`, or one of these.
    pub(super) fn is_here(&self, names: &[String]) -> bool {
        let is_address = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()) || v6(&self.host).is_some();
        is_address || self.host == "localhost" || names.contains(&self.host)
    }
}

fn v6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_nobody_else_can_have_made_up_are_here() {
        let names = ["dash.example.org".to_owned()];
        let is_here = |host: &str| Authority::parse(host).is_some_and(|host| host.is_here(&names));
        for host in [
            "localhost",
            "LOCALHOST:5007",
            "localhost.:5007",
            "127.0.0.1:5007",
            "192.168.1.9",
            "[::1]",
            "[::1]:5007",
            "[FE80::1]:1",
            "Dash.Example.org:80",
        ] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "",
            ":5007",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.dash.example.org",
            "1.2.3",
            "2130706433",
            "::1",
            "[::1",
            "[evil]",
            "localhost:x",
            "localhost:99999",
            "user@localhost",
            "localhost/evil",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_at_its_own_host_and_port_only() {
        let is_at = |origin: &str, host: &str| {
            let host = Authority::parse(host).unwrap();
            Authority::of_origin(origin).is_some_and(|origin| origin.is_at(&host))
        };
        for (origin, host) in [
            ("http://localhost:5007", "localhost:5007"),
            ("http://LOCALHOST:5007", "localhost:5007"),
            ("http://[::1]:5007", "[::1]:5007"),
            ("http://dash", "dash"),
            ("http://dash", "dash:80"),
            ("https://dash", "dash"),
            ("https://dash", "dash:443"),
        ] {
            assert!(is_at(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://localhost:5008", "localhost:5007"),
            ("http://127.0.0.1:5007", "localhost:5007"),
            ("http://localhost", "localhost:5007"),
            ("http://dash:5007", "dash"),
            ("null", "localhost:5007"),
            ("file://", "localhost:5007"),
            ("http://localhost:5007/x", "localhost:5007"),
            ("", "localhost:5007"),
        ] {
            assert!(!is_at(origin, host), "{origin} {host}");
        }
    }
}
