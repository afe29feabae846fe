//! How a command ends.

/// The exit code of a command, or why it failed.
pub type Outcome = Result<u8, Failure>;

/// Done.
pub const DONE: u8 = 0;
/// The answer is no.
pub const NO: u8 = 1;
/// The command could not be carried out.
pub const CANNOT: u8 = 2;
/// Interrupted by a signal.
pub const INTERRUPTED: u8 = 130;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What went wrong and what to do.
    pub message: String,
}

impl Failure {
    /// The command could not be carried out.
    pub fn cannot(message: impl Into<String>) -> Self {
        Self {
            code: CANNOT,
            message: message.into(),
        }
    }

    /// The other side refused or does not answer.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            code: NO,
            message: message.into(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::cannot(format!("{error:#}"))
    }
}
