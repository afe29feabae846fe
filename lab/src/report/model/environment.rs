//! Where the report comes from.

use serde::{Deserialize, Serialize};

/// What an experiment ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `embedded` or `external`.
    pub kafka: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Configured replicas.
    pub replicas: usize,
    /// Processors that this process may use.
    pub cores: usize,
    /// The monitor's detector; where several were compared, the one that is judged.
    pub detector: String,
    /// Version of the program.
    pub version: String,
    /// How it was compiled: `release` or `debug`.
    #[serde(default)]
    pub build: String,
    /// The machine that the experiment ran on; the system under experiment may be elsewhere.
    #[serde(default)]
    pub host: Host,
}

/// What a machine is, as far as it can be read from its files; neither its name nor its users'.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host {
    /// The operating system and its version.
    pub os: Option<String>,
    /// The kernel and its version.
    pub kernel: Option<String>,
    /// The processor's model.
    pub cpu: Option<String>,
    /// The processor's instruction set.
    pub architecture: Option<String>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
}
