//! Why a scenario cannot be used.

use tolerancia_core::detector::DetectorKind;

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("the scenario {path} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is in the way.
        cause: String,
    },
    /// Something in the file is not right.
    #[error("{path}:{line}:{column}: {message}")]
    Wrong {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what is expected.
        message: String,
    },
    /// A fault is to hit more instances than there are.
    #[error("{fault} hits {wanted} instances at the same time, the system has {replicas}: start it with more replicas")]
    TooFew {
        /// Which.
        fault: String,
        /// How many it hits.
        wanted: usize,
        /// How many there are.
        replicas: usize,
    },
    /// A fault is to hit an instance that there is not.
    #[error(
        "{fault} hits instance {instance}, the system has {replicas}: start it with more replicas, or choose another \
         instance"
    )]
    NoInstance {
        /// Which.
        fault: String,
        /// The instance.
        instance: u8,
        /// How many there are.
        replicas: usize,
    },
    /// The scenario is about another number of replicas.
    #[error(
        "the scenario is about {wanted} replicas, the system has {replicas}: stop that system, so that the experiment \
         starts one of its own, or choose other ports with --base-port"
    )]
    Replicas {
        /// How many it is about.
        wanted: u8,
        /// How many there are.
        replicas: usize,
    },
    /// The detectors to compare are not usable.
    #[error("--detectors names {0} twice: write each once, the one that is judged first")]
    Detectors(DetectorKind),
    /// More requests than can be remembered.
    #[error("{0}")]
    TooLong(String),
}
