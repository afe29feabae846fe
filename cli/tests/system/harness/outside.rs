//! Apache Kafka and PostgreSQL of the test's own, through the scripts that users have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{free_base, signal};

/// One of the scripts with a server of its own behind it, which is stopped when this is dropped.
struct Script {
    name: &'static str,
    dir: TempDir,
    env: Vec<(&'static str, String)>,
    /// What `start` exports.
    exports: Vec<(String, String)>,
}

impl Script {
    fn start(name: &'static str, dir_variable: &'static str, mut env: Vec<(&'static str, String)>) -> Self {
        let dir = tempfile::Builder::new().prefix("tolerancia-test-").tempdir().unwrap();
        let place = dir.path().join("server");
        env.push((dir_variable, place.to_str().unwrap().to_owned()));
        // PostgreSQL runs as another user when the tests run as root.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let mut script = Self {
            name,
            dir,
            env,
            exports: Vec::new(),
        };
        let said = script.run(&["start"]);
        script.exports = said.lines().filter_map(export).collect();
        script
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(self.name));
        command.args(args).stdin(Stdio::null());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {args:?} failed: {error}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    fn export(&self, name: &str) -> &str {
        let found = self.exports.iter().find(|(found, _)| found == name);
        &found
            .unwrap_or_else(|| panic!("{} exports no {name}: {:?}", self.name, self.exports))
            .1
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("server").join(name)
    }

    /// The process whose id is the first line of a file.
    fn pid(&self, file: &str) -> u32 {
        let text = std::fs::read_to_string(self.file(file)).unwrap();
        text.lines().next().unwrap_or_default().trim().parse().unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let output = self.command(&["stop"]).output();
        if !output.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("{} stop failed: {output:?}", self.name);
        }
    }
}

/// `export NAME=VALUE`, with or without quotes.
fn export(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
    Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
}

/// Apache Kafka with one or three brokers.
pub struct Kafka(Script);

impl Kafka {
    /// Starts it and waits until it answers.
    pub fn start(brokers: u8) -> Self {
        Self::start_with(brokers, &[])
    }

    /// Starts it with further variables for the script.
    pub fn start_with(brokers: u8, env: &[(&'static str, &str)]) -> Self {
        let mut all = vec![
            ("KAFKA_PORT", free_base().to_string()),
            ("KAFKA_BROKERS", brokers.to_string()),
        ];
        all.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self(Script::start("kafka.sh", "KAFKA_DIR", all))
    }

    /// All its brokers, `HOST:PORT`.
    pub fn bootstrap(&self) -> &str {
        self.0.export("KAFKA_BOOTSTRAP_SERVERS")
    }

    /// What a client needs besides the address.
    pub fn properties(&self) -> impl Iterator<Item = &(String, String)> {
        self.0
            .exports
            .iter()
            .filter(|(name, _)| name.starts_with("KAFKA_PROP_"))
    }

    /// Sends a signal to a broker, counted from 1.
    pub fn signal(&self, broker: u8, which: Signal) {
        signal(self.0.pid(&format!("broker-{broker}.pid")), which);
    }

    /// Starts a broker that was killed again on its old data, and waits until it answers.
    pub fn restart(&self, broker: u8) {
        self.0.run(&["restart-broker", &broker.to_string()]);
    }
}

/// PostgreSQL.
pub struct Postgres(Script);

impl Postgres {
    /// Starts it and waits until it answers.
    pub fn start() -> Self {
        let env = vec![("POSTGRES_PORT", free_base().to_string())];
        Self(Script::start("postgres.sh", "POSTGRES_DIR", env))
    }

    /// Its address, with the password.
    pub fn url(&self) -> &str {
        self.0.export("POSTGRES_URL")
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        signal(self.0.pid("data/postmaster.pid"), Signal::KILL);
    }

    /// Starts it again on its old data, and waits until it answers.
    pub fn restart(&self) {
        self.0.run(&["restart"]);
    }
}
