//! Finding the process of a replica that is stopped and cannot answer for itself.

use tolerancia_client::{inject, process};

use super::Target;

/// The replica's process on this host, as the monitor saw it last or as the supervisor wrote it down. Ids are
/// reused, so it counts only if it is that replica still.
pub async fn find(target: &Target) -> Option<u32> {
    let seen = inject::pid_of(&target.monitor(), target.instance).await;
    seen.filter(|&pid| process::runs_here(pid, target.instance))
        .or_else(|| process::replica(&target.data_dir, target.instance))
}
