//! Brings the schema to this program's version. Several processes may start at once.

use sqlx::{Connection as _, PgConnection, query, query_scalar, raw_sql};

use super::error::Fault;
use crate::error::StoreError;
use crate::migrations::{Migration, supported};

/// In order. One that was released never changes: add another, and renew `init.sql` (its test says how). It runs
/// within one call on the store, so one that takes seconds on a large database must be cut into smaller ones.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("../../migrations/postgres/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "evidence",
        sql: include_str!("../../migrations/postgres/0002_evidence.sql"),
    },
    Migration {
        version: 3,
        name: "denials",
        sql: include_str!("../../migrations/postgres/0003_denials.sql"),
    },
];

const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Which migrations were applied.
const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version  bigint      NOT NULL PRIMARY KEY,
    name     text        NOT NULL,
    applied  timestamptz NOT NULL DEFAULT now()
)";

/// READ COMMITTED, whatever the default of the database: who waited for the lock must see what was done
/// meanwhile, and an upsert must update the row that another session has just inserted.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// The advisory lock of those that migrate the same schema of the same database: "tole" in ASCII.
const LOCK: i32 = 0x746f_6c65;

/// Applies what is missing in one transaction.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), Fault> {
    let is_new: bool = query_scalar("SELECT to_regclass('schema_migrations') IS NULL")
        .fetch_one(&mut *connection)
        .await?;
    // The usual start takes no lock.
    if !is_new && version(connection).await? == NEWEST {
        return Ok(());
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    // Of several starters all but one wait here, then find everything done. The end of the transaction unlocks.
    query("SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    raw_sql(BOOKKEEPING).execute(&mut *transaction).await?;
    let done = version(&mut transaction).await?;
    for migration in MIGRATIONS.iter().filter(|m| m.version > done) {
        raw_sql(migration.sql).execute(&mut *transaction).await?;
        query("INSERT INTO schema_migrations (version, name) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Whether the schema is this program's. It is asked for in every ping: another program's newer version may
/// have migrated the database meanwhile.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Fault> {
    version(connection).await.map(drop)
}

async fn version(connection: &mut PgConnection) -> Result<i64, Fault> {
    let version = query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_migrations")
        .fetch_one(connection)
        .await?;
    Ok(supported(version, NEWEST, "database (POSTGRES_URL)")?)
}

/// An error of [`migrate`] for the caller: while nothing is read or written, all there is to say is that the
/// database cannot be used.
pub(super) fn explained(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(_) => error,
        StoreError::Rejected(detail) | StoreError::Unreadable(detail) => StoreError::Unavailable(format!(
            "the schema of the database cannot be brought up to date: let a user who may run those migrations of \
             init.sql that schema_migrations does not list, or give this program a database of its own \
             (POSTGRES_URL) ({detail})"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// What [`migrate`] does to an empty database, as a script.
    fn script() -> String {
        let mut script = "\
-- The schema of tolerancia in PostgreSQL, for whoever makes it by hand:
--
--     psql -v ON_ERROR_STOP=1 -f init.sql \"$POSTGRES_URL\"
--
-- The services need no such script: they make the schema when they first use an empty database, and bring an older
-- one up to date. Where their user may not do that, run the migrations below that the table schema_migrations does
-- not list, each with its INSERT.
-- Generated from crates/store/migrations/postgres. After a new migration:
--
--     UPDATE_INIT_SQL=1 cargo test -p tolerancia-store init_sql

BEGIN;

-- The migrations that were applied.
"
        .to_owned();
        writeln!(script, "{BOOKKEEPING};").unwrap();
        for Migration { version, name, sql } in MIGRATIONS {
            writeln!(script, "\n-- Migration {version}: {name}\n\n{}\n", sql.trim_end()).unwrap();
            writeln!(
                script,
                "INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}');"
            )
            .unwrap();
        }
        script.push_str("\nCOMMIT;\n");
        script
    }

    #[test]
    fn init_sql_is_made_of_the_migrations() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../init.sql");
        if std::env::var_os("UPDATE_INIT_SQL").is_some() {
            std::fs::write(&file, script()).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == script(),
            "init.sql is out of date: run UPDATE_INIT_SQL=1 cargo test -p tolerancia-store init_sql"
        );
    }

    #[test]
    fn the_versions_count_from_one() {
        assert!(MIGRATIONS.iter().map(|m| m.version).eq(1..=NEWEST));
    }
}
