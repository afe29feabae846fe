//! A broker as a real child process, and a bus that talks to it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use tolerancia_bus::{BusConfig, Consumer, Message, Producer};

/// A broker on a free port with a directory of its own; killed when dropped.
pub struct Broker {
    pub port: u16,
    pub file: PathBuf,
    child: Child,
    _directory: TempDir,
}

impl Broker {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data with spaces/ünï/broker.db");
        let port = free_port();
        let child = spawn(port, &file);
        Self {
            port,
            file,
            child,
            _directory: directory,
        }
    }

    /// SIGKILL, and a new process on the same port and file.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.file);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn config(&self, partitions: u16) -> BusConfig {
        BusConfig {
            bootstrap: format!("127.0.0.1:{}", self.port),
            client_id: "test".to_owned(),
            fetch_wait: Duration::from_millis(100),
            partitions,
            replication: 1,
            extra: Vec::new(),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a broker that is expected to refuse, and returns what it said.
pub fn refused(port: u16, file: &Path) -> Output {
    command(port, file).output().unwrap()
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(port: u16, file: &Path) -> Child {
    command(port, file).stdin(Stdio::null()).spawn().unwrap()
}

fn command(port: u16, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded-broker"));
    command.arg(port.to_string()).arg(file);
    command
}

pub const DELIVERY: Duration = Duration::from_secs(20);
/// Longer than anything here takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn producer(config: &BusConfig) -> Producer {
    Producer::new(config, DELIVERY).unwrap()
}

pub async fn take(consumer: &mut Consumer, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(
            timeout(PATIENCE, consumer.recv_batch(100))
                .await
                .expect("records in time")
                .unwrap(),
        );
    }
    taken
}

pub fn numbers(messages: &[Message]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| u32::from_be_bytes(message.payload[..4].try_into().unwrap()))
        .collect()
}

pub fn payload(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(200, b'.');
    payload
}

pub async fn send(producer: &Producer, topic: &str, numbers: Range<u32>) {
    for number in numbers {
        producer
            .send(topic, Some(0), Some(b"key"), payload(number))
            .await
            .unwrap();
    }
}
