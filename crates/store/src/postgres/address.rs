//! `POSTGRES_URL`: what it must look like, and how it is shown without its password.

use std::fmt;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

/// How long a statement may take before the server itself gives it up. Less than a call may take, so that the
/// server says what was slow; and a client that is gone leaves nothing running for longer.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long one may wait for another session's lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// When the server gives up a transaction whose client is silent: a client that vanished holds no locks for longer.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// A database and how to connect to it.
pub(super) struct Address {
    pub(super) options: PgConnectOptions,
    shown: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Reads a URL. No message repeats any part of it: a password that is not encoded may be anywhere.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let url = url.trim();
        let Some((_, rest)) = url
            .split_once("://")
            .filter(|(scheme, _)| ["postgres", "postgresql"].contains(scheme))
        else {
            return Err(invalid("it does not begin with postgres://"));
        };
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if rest[authority..].contains('@') {
            return Err(invalid(
                "a user or password with special characters must be written percent-encoded, '/' as %2F, '?' as %3F, \
                 '#' as %23, '@' as %40",
            ));
        }
        let (url, unknown) = split_parameters(url);
        for parameter in unknown {
            tracing::warn!(parameter, "POSTGRES_URL has an unknown parameter, which is ignored");
        }
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            // Each error around the first one only says that there is one.
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            invalid(&cause.to_string())
        })?;
        let database = options.get_database().unwrap_or(options.get_username()).to_owned();
        let shown = match options.get_socket() {
            Some(socket) => format!("{database:?} at {}", socket.display()),
            None => format!("{database:?} at {}:{}", options.get_host(), options.get_port()),
        };
        Ok(Self {
            options: with_limits(options),
            shown,
        })
    }
}

/// The parameters that sqlx knows, but for `options[NAME]`.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The URL without the parameters that sqlx does not know, and the names of those: sqlx would log them with their
/// values, and a misspelt `password` is one.
fn split_parameters(url: &str) -> (String, Vec<&str>) {
    let Some((before, query)) = url.split_once('?') else {
        return (url.to_owned(), Vec::new());
    };
    let query = query.split('#').next().unwrap_or_default();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map(|(name, _)| name);
        match name {
            Some(name) if PARAMETERS.contains(&name) || is_option(name) => known.push(pair),
            Some(name) => unknown.push(name),
            // Half of a value with an '&', perhaps.
            None => unknown.push("(one without a value)"),
        }
    }
    (format!("{before}?{}", known.join("&")), unknown)
}

fn is_option(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("options[") || name.starts_with("options%5b")
}

fn with_limits(options: PgConnectOptions) -> PgConnectOptions {
    let ms = |limit: Duration| limit.as_millis().to_string();
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("tolerancia"),
    };
    options
        .options([
            ("statement_timeout", ms(STATEMENT_TIMEOUT)),
            ("lock_timeout", ms(LOCK_TIMEOUT)),
            ("idle_in_transaction_session_timeout", ms(IDLE_IN_TRANSACTION)),
            // The server's side of a connection whose client vanished; this side has timeouts of its own.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ])
        .disable_statement_logging()
}

fn invalid(why: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "POSTGRES_URL cannot be used: {why}; it has the form postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        for (url, shown) in [
            ("postgres://ann:secret@db:5433/lab", "\"lab\" at db:5433"),
            (" postgresql://ann:secret@db:5433\n", "\"ann\" at db:5433"),
            (
                "postgres://ann:s%2Fecret@[::1]:1/lab?sslmode=disable",
                "\"lab\" at [::1]:1",
            ),
            (
                "postgres://ann:secret@%2Frun%2Fpostgresql/lab",
                "\"lab\" at /run/postgresql",
            ),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn unknown_parameters_are_named_without_their_values() {
        for (url, known, unknown) in [
            ("postgres://db/lab", "postgres://db/lab", vec![]),
            (
                "postgres://db/lab?sslmode=disable&pasword=secret&port=1",
                "postgres://db/lab?sslmode=disable&port=1",
                vec!["pasword"],
            ),
            (
                "postgres://db/lab?options[search_path]=x&options%5Ba%5D=y&sec=ret#z=secret",
                "postgres://db/lab?options[search_path]=x&options%5Ba%5D=y",
                vec!["sec"],
            ),
            (
                "postgres://db/lab?password=half&secret",
                "postgres://db/lab?password=half",
                vec!["(one without a value)"],
            ),
        ] {
            assert_eq!(split_parameters(url), (known.to_owned(), unknown));
        }
        let address = Address::parse("postgres://ann@db/lab?port=7&pasword=secret").unwrap();
        assert_eq!(address.to_string(), "\"lab\" at db:7");
    }

    #[test]
    fn what_is_no_url_of_postgresql_is_refused_without_repeating_it() {
        for (url, hint) in [
            ("", "postgres://"),
            ("secret", "postgres://"),
            ("mysql://ann:secret@db/lab", "postgres://"),
            ("postgres://ann:secret@db:port/lab", "port"),
            ("postgres://ann:1/secret@db/lab", "%2F"),
            ("postgres://ann:12#secret@db/lab", "%23"),
            ("postgres://ann:secret@db/lab?sslmode=maybe", "ssl_mode"),
        ] {
            let message = Address::parse(url).unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
            assert!(
                message.contains("POSTGRES_URL") && message.contains(hint),
                "{url}: {message}"
            );
        }
    }
}
