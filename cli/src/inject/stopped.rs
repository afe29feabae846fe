//! Finding the process of a replica that is stopped and cannot answer for itself.

use tolerancia_client::inject;
use tolerancia_service::config::name;
use tolerancia_wire::core::ReplicaId;

use super::Target;
use crate::supervisor::place;

/// The replica's process on this host, as the monitor saw it last or as the supervisor wrote it down. Ids are
/// reused, so it counts only if it is that replica still.
pub async fn find(target: &Target) -> Option<u32> {
    let written = place::pid_of(&target.data_dir, &format!("{}/{}", name::INVENTORY, target.instance));
    let seen = inject::pid_of(&target.monitor(), target.instance).await;
    [seen, written]
        .into_iter()
        .flatten()
        .find(|&pid| runs_here(pid, target.instance))
}

fn runs_here(pid: u32, instance: ReplicaId) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    is_replica(&String::from_utf8_lossy(&command), instance)
}

/// Whether these arguments, separated by NUL, start that replica. Where they do not tell the instance, it came by
/// the environment of a container, which has one replica only.
fn is_replica(command: &str, instance: ReplicaId) -> bool {
    let args: Vec<_> = command.split('\0').collect();
    let told = args.iter().position(|arg| *arg == "--instance-id");
    let told = told.and_then(|at| args.get(at + 1));
    args.get(1) == Some(&name::INVENTORY) && told.is_none_or(|told| *told == instance.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn command(args: &[&str]) -> String {
        args.iter().map(|arg| format!("{arg}\0")).collect()
    }

    #[test]
    fn another_process_is_never_taken_for_the_replica() {
        let two = ReplicaId::new(2).unwrap();
        for (args, taken) in [
            (
                &["tolerancia", "inventory-svc", "--port", "5002", "--instance-id", "2"][..],
                true,
            ),
            (&["/bin/tolerancia", "inventory-svc"], true),
            (&["tolerancia", "inventory-svc", "--instance-id", "1"], false),
            (&["vim", "notes", "inventory-svc"], false),
            (&[], false),
        ] {
            assert_eq!(is_replica(&command(args), two), taken, "{args:?}");
        }
    }
}
