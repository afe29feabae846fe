//! PostgreSQL's error codes, told apart by what helps.

use std::io;
use std::time::Duration;

use sqlx::Error;

use super::address::Address;
use crate::error::StoreError;
use crate::text::unreadable;

/// An error inside a call, before it is known which database it is about.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(Error),
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// The error for the caller, about the database at `address`.
    pub(super) fn at(self, address: &Address) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sql(error) => error,
        };
        let help = match &error {
            Error::Decode(_)
            | Error::ColumnDecode { .. }
            | Error::ColumnNotFound(_)
            | Error::ColumnIndexOutOfBounds { .. }
            | Error::TypeNotFound { .. } => return unreadable(error),
            Error::Encode(_) => return refused(&error.to_string()),
            Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let detail = format!("{}, SQLSTATE {code}", database.message());
                if is_refusal(&code) {
                    return refused(&detail);
                }
                // The code is that of a wrong user; a server that speaks another language says it otherwise.
                if code.starts_with("28") && database.message().contains("no encryption") {
                    return unavailable(address, PLAIN, &detail);
                }
                return unavailable(address, help(&code), &detail);
            }
            Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there: start PostgreSQL, or correct host and port in POSTGRES_URL"
            }
            Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "it closed the connection; it is tried again"
            }
            // What rustls says about a certificate comes as this kind.
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => TLS,
            Error::Io(error) if error.kind() == io::ErrorKind::NotFound => NO_FILE,
            Error::Io(_) => "it cannot be reached: check host and port in POSTGRES_URL; it is tried again",
            Error::Tls(_) => TLS,
            Error::Protocol(_) => "what listens there does not speak PostgreSQL: check host and port in POSTGRES_URL",
            _ => AGAIN,
        };
        let detail = match &error {
            Error::Io(error) => error.to_string(),
            Error::Tls(error) => error.to_string(),
            error => error.to_string(),
        };
        unavailable(address, help, &detail)
    }
}

const AGAIN: &str = "it is tried again";
const NO_FILE: &str =
    "there is no such file: correct sslrootcert, sslcert or sslkey in POSTGRES_URL, or the folder of its socket";
const PLAIN: &str = "it takes no connections without TLS: set sslmode=verify-full and sslrootcert in POSTGRES_URL";
const TLS: &str = "TLS failed: check sslmode and sslrootcert in POSTGRES_URL";

/// Whether this write itself is to blame, however the database is: data, constraints, limits, triggers.
/// The codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_refusal(code: &str) -> bool {
    ["21", "22", "23", "44", "54", "P0"].contains(&code.get(..2).unwrap_or_default())
}

/// What to do about any other code.
fn help(code: &str) -> &'static str {
    match code {
        // What PgBouncer says to parameters it does not pass on, and to statements prepared on another connection.
        "08P01" | "26000" => {
            "PgBouncer seems to be in between: name the server itself in POSTGRES_URL, or let PgBouncer use session \
             pooling with ignore_startup_parameters = options"
        }
        "25006" => "it is a read-only standby: name the primary in POSTGRES_URL",
        "3D000" => "create this database (CREATE DATABASE), or name another one in POSTGRES_URL",
        "3F000" => {
            "none of the schemas in search_path exists and is open to the user: create one, or GRANT ALL on it to the user"
        }
        "42501" => {
            "the user may not use or make its tables: let it own the database, or GRANT ALL ON SCHEMA public to it"
        }
        "53100" => "its disk is full: free some space, then writing goes on",
        "53300" => "it has no connection left: raise its max_connections, or close other clients",
        "55P03" => "another session has kept a lock for too long; it is tried again",
        "57014" => "it took too long: it is overloaded, or waits for a lock; it is tried again",
        "57P03" => "it is starting or stopping; it is tried again",
        _ => match code.get(..2).unwrap_or_default() {
            "28" => "it refuses this user: check user and password in POSTGRES_URL, and its pg_hba.conf",
            "40" => "another session was in the way; it is tried again",
            "42" => {
                "its tables are not those of this program: give it a database of its own (POSTGRES_URL), or make them \
                 with init.sql"
            }
            "57" => "it is stopping, or an administrator ended the session; it is tried again",
            "XX" => "it is damaged: see its log",
            _ => AGAIN,
        },
    }
}

/// The database cannot be used now.
pub(super) fn unavailable(address: &Address, help: &str, detail: &str) -> StoreError {
    StoreError::Unavailable(format!("the database {address} cannot be used: {help} ({detail})"))
}

/// Nothing came back for this long.
pub(super) fn silent(address: &Address, waited: Duration) -> StoreError {
    let detail = format!("no answer within {} s", waited.as_secs());
    unavailable(
        address,
        "it hangs, or the network to it swallows packets; it is tried again",
        &detail,
    )
}

fn refused(detail: &str) -> StoreError {
    StoreError::Rejected(format!("the database refuses a write: {detail}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn said(kind: io::ErrorKind) -> String {
        let address = Address::parse("postgres://ann:s3cret@db/lab").unwrap();
        match Fault::Sql(Error::Io(io::Error::new(kind, "the cause"))).at(&address) {
            StoreError::Unavailable(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_network_did_is_told_apart() {
        for (kind, hint) in [
            (io::ErrorKind::ConnectionRefused, "start PostgreSQL"),
            (io::ErrorKind::UnexpectedEof, "it closed the connection"),
            (io::ErrorKind::InvalidData, "sslmode"),
            (io::ErrorKind::NotFound, "sslrootcert"),
            (io::ErrorKind::Other, "check host and port"),
        ] {
            let message = said(kind);
            assert!(
                message.contains("\"lab\" at db:5432") && message.contains(hint) && message.contains("the cause"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_pooler_in_between_is_named() {
        for code in ["08P01", "26000"] {
            assert!(help(code).contains("ignore_startup_parameters"), "{code}");
        }
    }

    #[test]
    fn only_a_write_that_is_to_blame_is_refused() {
        for code in ["22021", "22P05", "23505", "23514", "54000", "P0001"] {
            assert!(is_refusal(code), "{code}");
        }
        for code in [
            "", "08006", "25006", "40001", "40P01", "42P01", "53100", "55P03", "57014", "57P01", "XX001",
        ] {
            assert!(!is_refusal(code), "{code}");
        }
    }
}
