//! The same system on Apache Kafka and PostgreSQL, each test with servers of its own.
//!
//! They need Java, Maven and PostgreSQL, so they are run on demand:
//! `cargo test -p tolerancia --test system -- --ignored`.

mod broker_outage;
mod catch_up;
mod cluster;
mod database_outage;
mod experiment;
mod partitions;
mod poison;
mod readable;
