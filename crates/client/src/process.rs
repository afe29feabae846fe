//! Finding the process of a replica on this host, for when it is stopped and cannot answer for itself.

use std::path::{Path, PathBuf};

use tolerancia_wire::core::ReplicaId;

/// The name of the replicas on the command line and in the list of processes.
const INVENTORY: &str = "inventory-svc";

/// The file in which the supervisor of this data directory writes down which process is which: lines of name and process id.
#[must_use]
pub fn list(data_dir: &Path) -> PathBuf {
    data_dir.join("pids")
}

/// The process of `name`, such as `inventory-svc/2`, as the supervisor of `data_dir` wrote it down.
#[must_use]
pub fn written(data_dir: &Path, name: &str) -> Option<u32> {
    let text = std::fs::read_to_string(list(data_dir)).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// The process of a replica as the supervisor of `data_dir` wrote it down, if it is that replica still: ids are reused.
#[must_use]
pub fn replica(data_dir: &Path, instance: ReplicaId) -> Option<u32> {
    written(data_dir, &format!("{INVENTORY}/{instance}")).filter(|&pid| runs_here(pid, instance))
}

/// Whether this process on this host is that replica.
#[must_use]
pub fn runs_here(pid: u32, instance: ReplicaId) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    is_replica(&String::from_utf8_lossy(&command), instance)
}

/// Whether these arguments, separated by NUL, start that replica. Where they do not tell the instance, it came by
/// the environment of a container, which has one replica only.
fn is_replica(command: &str, instance: ReplicaId) -> bool {
    let args: Vec<_> = command.split('\0').collect();
    let told = args.iter().position(|arg| *arg == "--instance-id");
    let told = told.and_then(|at| args.get(at + 1));
    args.get(1) == Some(&INVENTORY) && told.is_none_or(|told| *told == instance.to_string())
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

    #[test]
    fn a_name_is_not_mistaken_for_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(list(dir.path()), "inventory-svc/11 7\ninventory-svc/1 8\n").unwrap();
        assert_eq!(written(dir.path(), "inventory-svc/1"), Some(8));
        assert_eq!(written(dir.path(), "inventory-svc"), None);
    }

    #[test]
    fn a_process_that_is_written_down_and_is_another_one_by_now_is_not_the_replica() {
        let dir = tempfile::tempdir().unwrap();
        let own = std::process::id();
        std::fs::write(list(dir.path()), format!("inventory-svc/1 {own}\n")).unwrap();
        assert_eq!(replica(dir.path(), ReplicaId::new(1).unwrap()), None);
        assert_eq!(replica(dir.path(), ReplicaId::new(2).unwrap()), None);
    }
}
