//! Brings the schema to this program's version. Several processes may start at once.

use libsql::{Connection, params};
use tolerancia_wire::time::rfc3339;

use super::error::Fault;
use super::write::in_transaction;
use crate::migrations::{self, Migration};

/// In order. One that was released never changes: add another.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "evidence",
        sql: include_str!("../../migrations/sqlite/0002_evidence.sql"),
    },
    Migration {
        version: 3,
        name: "denials",
        sql: include_str!("../../migrations/sqlite/0003_denials.sql"),
    },
];

const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Applies what is missing in one transaction.
pub(super) async fn migrate(connection: &Connection) -> Result<(), Fault> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    let is_new = connection.query(table, ()).await?.next().await?.is_none();
    // The usual start reads only, so that it waits for no writer.
    if !is_new && supported(version(connection).await?)? == NEWEST {
        return Ok(());
    }
    // IMMEDIATE: of several starters all but one wait here, then find everything done.
    in_transaction(connection, async || {
        connection
            .execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (
                     version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL
                 ) STRICT",
                (),
            )
            .await?;
        let done = supported(version(connection).await?)?;
        for migration in MIGRATIONS.iter().filter(|m| m.version > done) {
            connection.execute_batch(migration.sql).await?;
            connection
                .execute(
                    "INSERT INTO schema_migrations (version, name, applied) VALUES (?1, ?2, ?3)",
                    params![migration.version, migration.name, rfc3339(jiff::Timestamp::now())],
                )
                .await?;
        }
        Ok(())
    })
    .await
}

/// Whether the schema is this program's. It is asked for in every ping: another program's newer version may
/// have migrated the file meanwhile.
pub(super) async fn check(connection: &Connection) -> Result<(), Fault> {
    supported(version(connection).await?).map(drop)
}

async fn version(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations";
    match connection.query(sql, ()).await?.next().await? {
        Some(row) => Ok(row.get(0)?),
        None => Ok(0),
    }
}

fn supported(version: i64) -> Result<i64, Fault> {
    Ok(migrations::supported(version, NEWEST, "data directory (--data-dir)")?)
}
