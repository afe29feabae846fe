//! Apache Kafka and PostgreSQL of the test's own, through the scripts that users have.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::MutexGuard;

use super::process::foreign;
use super::{free_base, signal, turn};

/// How long a server may take to stop: it is killed after 5 s, and a `start` that still runs is waited for.
const STOP: Duration = Duration::from_secs(120);

/// Stops the server once nobody holds its standard input any more, and removes its directory.
const GUARD: &str = r#"cat >/dev/null; "$0" stop && rm -rf "$1""#;

/// One of the scripts with a server of its own behind it, which is stopped when this is dropped.
struct Script {
    name: &'static str,
    dir: TempDir,
    env: Vec<(&'static str, String)>,
    /// Servers outlive who starts them. This process sees to it that they do not, even if the test is killed.
    guard: Option<Child>,
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
            guard: None,
            exports: Vec::new(),
        };
        // Before the server, so that there is never one without it.
        script.guard = Some(script.guard());
        let said = script.run(&["start"]);
        script.exports = said.lines().filter_map(export).collect();
        script
    }

    /// In a session of its own, where neither Ctrl-C nor the end of the terminal reaches it.
    fn guard(&self) -> Child {
        // Not the tester's standard error: it may be closed by then.
        let log = File::create(self.guard_log()).unwrap();
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", GUARD])
            .args([self.path(), self.dir.path().to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        self.set_env(&mut command);
        command.spawn().unwrap()
    }

    fn guard_log(&self) -> PathBuf {
        self.dir.path().join("guard.log")
    }

    /// Closes the guard's standard input and waits for its end; an error says what to look at.
    fn stop(guard: &mut Child) -> Result<ExitStatus, String> {
        drop(guard.stdin.take());
        let began = Instant::now();
        loop {
            match guard.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(status),
                Ok(Some(status)) => return Err(status.to_string()),
                Ok(None) if began.elapsed() < STOP => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err(format!("process {} does not end", guard.id())),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(self.name)
    }

    fn set_env(&self, command: &mut Command) {
        // Where PostgreSQL is installed is the tester's to say.
        for name in foreign().filter(|name| name != "POSTGRES_BIN") {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(self.path());
        command.args(args).stdin(Stdio::null());
        self.set_env(&mut command);
        let output = command.output().unwrap();
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
        let Some(Err(error)) = self.guard.as_mut().map(Self::stop) else {
            return;
        };
        let log = std::fs::read_to_string(self.guard_log()).unwrap_or_default();
        let message = format!("{} stop failed: {error}: {log}", self.name);
        if std::thread::panicking() {
            eprintln!("{message}");
        } else {
            panic!("{message}");
        }
    }
}

/// `export NAME=VALUE`, with or without quotes.
fn export(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
    Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
}

/// Apache Kafka with one or three brokers. While it runs it is this test's turn.
pub struct Kafka {
    // Dropped first: the turn is over when the brokers are gone.
    script: Script,
    _turn: MutexGuard<'static, ()>,
}

impl Kafka {
    /// Waits for this test's turn, starts it and waits until it answers.
    pub async fn start(brokers: u8) -> Self {
        Self::start_with(brokers, &[]).await
    }

    /// Starts it with further variables for the script.
    pub async fn start_with(brokers: u8, env: &[(&'static str, &str)]) -> Self {
        let turn = turn().await;
        let mut all = vec![
            ("KAFKA_PORT", free_base().to_string()),
            ("KAFKA_BROKERS", brokers.to_string()),
        ];
        all.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self {
            script: Script::start("kafka.sh", "KAFKA_DIR", all),
            _turn: turn,
        }
    }

    /// All its brokers, `HOST:PORT`.
    pub fn bootstrap(&self) -> &str {
        self.script.export("KAFKA_BOOTSTRAP_SERVERS")
    }

    /// What a client needs besides the address.
    pub fn properties(&self) -> impl Iterator<Item = &(String, String)> {
        self.script
            .exports
            .iter()
            .filter(|(name, _)| name.starts_with("KAFKA_PROP_"))
    }

    /// Sends a signal to a broker, counted from 1.
    pub fn signal(&self, broker: u8, which: Signal) {
        signal(self.script.pid(&format!("broker-{broker}.pid")), which);
    }

    /// Starts a broker that was killed again on its old data, and waits until it answers.
    pub fn restart(&self, broker: u8) {
        self.script.run(&["restart-broker", &broker.to_string()]);
    }
}

/// PostgreSQL, beside a Kafka, which has the turn.
pub struct Postgres(Script);

impl Postgres {
    /// Starts it and waits until it answers.
    pub fn start(_kafka: &Kafka) -> Self {
        let env = vec![("POSTGRES_PORT", free_base().to_string())];
        Self(Script::start("postgres.sh", "POSTGRES_DIR", env))
    }

    /// Starts it without a Kafka, so that it is nobody's turn, with further variables for the script.
    pub fn alone(env: &[(&'static str, &str)]) -> Self {
        let mut all = vec![("POSTGRES_PORT", free_base().to_string())];
        all.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self(Script::start("postgres.sh", "POSTGRES_DIR", all))
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
