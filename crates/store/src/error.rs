//! Why the database did not do what was asked, told apart by what helps.

/// Result of a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the database did not do what was asked. The message says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot write now: the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// This write contradicts the schema or what is stored: it never succeeds, however often it is tried.
    #[error("{0}")]
    Rejected(String),
    /// A stored row is not what this version writes.
    #[error("{0}")]
    Unreadable(String),
}

impl StoreError {
    /// An entry of the failure audit that is not the one stored under its number.
    pub(crate) fn seq_taken(seq: u64) -> Self {
        Self::Rejected(format!(
            "the failure audit already has another entry with seq {seq}: seq must increase over restarts"
        ))
    }
}
