//! A replica whose disk is full says so and goes on; it recovers by itself when there is space.
//!
//! These tests mount a small file system in memory on a replica's data directory, which takes root.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tolerancia_wire::status::Verdict;

use crate::harness::{System, Traffic, eventually, signal};

/// A small disk of its own. It is gone when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounted there, with so many KiB.
    fn mount(dir: PathBuf, kib: u32) -> Self {
        fs::create_dir_all(&dir).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(&dir));
        Self(dir)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.ballast()).unwrap();
        for size in [4096, 1] {
            loop {
                match ballast.write(&vec![0; size]) {
                    Ok(1..) => {}
                    Ok(0) => panic!("nothing was written"),
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Gives it back.
    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the replica may still be ending.
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    // No second panic where the first is on its way out.
    if !output.status.success() && !std::thread::panicking() {
        panic!(
            "{command:?}: {error}(this test mounts a small disk: run it as root, in a container with CAP_SYS_ADMIN)"
        );
    }
}

/// A system whose replica 2 has a disk of so many KiB.
async fn system_with_small_disk(kib: u32) -> (System, Disk) {
    let mut disk = None;
    let mut system = System::start(|command| {
        let mut variables = command.as_std().get_envs();
        let data =
            variables.find_map(|(name, value)| (name == "DATA_DIR").then(|| Path::new(value.unwrap()).to_owned()));
        disk = Some(Disk::mount(data.unwrap().join("inventory-2"), kib));
    })
    .await;
    system.ready().await;
    (system, disk.unwrap())
}

async fn health(system: &System, number: u8) -> Option<Value> {
    Some(system.look(&format!("{}/health", system.inventory(number))).await?.1)
}

/// Waits until replica 2 says that it cannot save, and why.
async fn complains(system: &System) {
    let found = eventually("replica 2 says that its disk is full", async || {
        let health = health(system, 2).await?;
        health["details"]["snapshot"].is_string().then_some(health)
    })
    .await;
    assert_eq!(found["status"], "DEGRADED", "{found}");
    let why = found["details"]["snapshot"].as_str().unwrap();
    assert!(
        why.contains("No space left on device") && why.contains("free the disk"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, to mount a small disk"]
async fn a_replica_whose_disk_is_full_says_so_and_recovers() {
    // Room for the first orders: the file grows beyond it within a second or two.
    let (system, disk) = system_with_small_disk(4096).await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(100).await;

    disk.fill();
    complains(&system).await;
    // The others serve, and so does it: what it answers comes from its memory, and is as right as before.
    traffic.goes_on(150).await;
    let answers = traffic.answers();
    eventually("queries are answered", async || {
        (traffic.answers() > answers + 50).then_some(())
    })
    .await;
    for number in [1, 3] {
        let health = health(&system, number).await.unwrap();
        assert_eq!(health["details"]["snapshot"], Value::Null, "{health}");
    }
    let status = system.status().await;
    assert_eq!(status.instances[1].status, Verdict::On, "{status:?}");

    disk.free();
    eventually("replica 2 saves again", async || {
        (health(&system, 2).await?["details"]["snapshot"] == Value::Null).then_some(())
    })
    .await;
    // What it saved is whole, though it is killed now.
    let before = system.log();
    signal(system.pid("inventory-svc/2"), Signal::KILL);
    traffic.goes_on(100).await;
    let told = traffic.stop().await;
    system.steady().await;
    let log = system.log();
    let after = log.strip_prefix(&before).unwrap();
    assert!(
        after.contains("catching up with the log") && !after.contains("set aside"),
        "{after}"
    );
    assert!(
        !after.contains("from={0: 0}"),
        "it did not go on from its snapshot: {after}"
    );

    system.holds(&told).await;
    drop(disk);
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, to mount a small disk"]
async fn a_replica_that_starts_on_a_full_disk_says_so_and_waits_for_space() {
    let (system, disk) = system_with_small_disk(4096).await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(50).await;

    // The supervisor is stopped meanwhile, so that the replica does not come back before there is no space.
    system.signal(Signal::STOP);
    let pid = system.pid("inventory-svc/2");
    signal(pid, Signal::KILL);
    // All of it: a thread that still ends would hold the space of the file that is removed.
    eventually("replica 2 is dead", async || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        (stat.contains(") Z ") && threads <= 1).then_some(())
    })
    .await;
    fs::remove_file(system.data_dir().join("inventory-2/snapshot.redb")).unwrap();
    disk.fill();
    system.signal(Signal::CONT);
    eventually("the log says why replica 2 does not start", async || {
        let log = system.log();
        let line = log
            .lines()
            .find(|line| line.contains("there is no space in the data directory"))?;
        assert!(line.contains("free the disk"), "{line}");
        Some(())
    })
    .await;
    // It is tried again and again, and the others serve meanwhile.
    traffic.goes_on(100).await;
    eventually("replica 2 is tried again", async || {
        let log = system.log();
        let tries = log
            .lines()
            .filter(|line| line.contains("inventory-svc/2") && line.contains("again in"));
        (tries.count() >= 3).then_some(())
    })
    .await;

    disk.free();
    let told = traffic.stop().await;
    system.steady().await;
    system.holds(&told).await;
    drop(disk);
    system.down().await;
}
