//! One process of the system: started, watched, started again, ended.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::child::{Lives, Next};
use super::log::{LastWords, Log};
use super::spec::Spec;
use crate::guard;

/// How long the last lines of a process that ended are waited for.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where a process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is not ready, or not yet ready again.
    Starting,
    /// It does its work.
    Ready,
    /// It cannot be started; this is what it said.
    GaveUp(String),
}

/// What all processes share.
#[derive(Debug)]
pub struct Context {
    /// Where their lines go.
    pub log: Log,
    /// For looking whether they are ready.
    pub http: reqwest::Client,
    /// Who starts them.
    pub spawner: Spawner,
    /// Who they are.
    pub pids: Pids,
    /// The user does not want to wait for an orderly stop.
    pub kill: CancellationToken,
}

/// Starts processes, all from one thread that lives as long as the supervisor: the kernel ends a child when the
/// *thread* that started it ends, and a runtime's threads come and go.
#[derive(Debug)]
pub struct Spawner {
    requests: mpsc::Sender<(Command, oneshot::Sender<io::Result<Child>>)>,
}

impl Spawner {
    /// A thread that starts processes.
    pub fn new() -> Self {
        let (requests, queue) = mpsc::channel::<(Command, oneshot::Sender<io::Result<Child>>)>();
        let runtime = Handle::current();
        std::thread::spawn(move || {
            let _context = runtime.enter();
            while let Ok((mut command, reply)) = queue.recv() {
                // Nobody waits any more: the child is dropped, which kills it.
                let _ = reply.send(command.spawn());
            }
        });
        Self { requests }
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.requests.send((command, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The file that tells which process is which.
#[derive(Debug)]
pub struct Pids {
    file: PathBuf,
    known: Mutex<BTreeMap<String, u32>>,
}

impl Pids {
    /// An empty file in this data directory.
    pub fn new(data_dir: &std::path::Path) -> Self {
        Self {
            file: tolerancia_client::process::list(data_dir),
            known: Mutex::default(),
        }
    }

    fn set(&self, name: &str, pid: u32) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), pid);
        let text: String = known.iter().map(|(name, pid)| format!("{name} {pid}\n")).collect();
        // Under the lock, so that the newest list is what stays; renamed, so that no reader sees half of it.
        let draft = self.file.with_extension("new");
        std::fs::write(&draft, text)?;
        std::fs::rename(&draft, &self.file)
    }

    /// No process is left.
    pub fn remove(&self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// One process of the system, for as long as the system lives.
#[derive(Debug)]
pub struct Keeper {
    /// What to start.
    pub spec: Spec,
    /// Its colour in the log.
    pub colour: usize,
    /// What it shares with the others.
    pub context: Arc<Context>,
    /// Cancelled when it is no longer wanted.
    pub stop: CancellationToken,
    /// Where it stands.
    pub state: watch::Sender<State>,
    /// Why it is not ready.
    pub why: watch::Sender<String>,
}

/// How one life of a process ended.
struct End {
    /// The exit code, unless a signal ended it.
    code: Option<i32>,
    /// The same for people, as the continuation of its name.
    how: String,
}

impl End {
    fn unknown(how: &str, error: &io::Error) -> Self {
        let how = format!("{how} ({error})");
        Self { code: None, how }
    }
}

impl Keeper {
    /// Keeps the process running until it is no longer wanted or cannot be started at all.
    pub async fn keep(self) {
        let mut lives = Lives::default();
        loop {
            let Some(end) = self.live(&mut lives).await else {
                return;
            };
            match lives.ended(Instant::now(), end.code) {
                Next::GiveUp => {
                    self.state.send_replace(State::GaveUp(end.how));
                    return;
                }
                Next::Restart(wait) => {
                    let (name, seconds) = (&self.spec.name, wait.as_secs());
                    self.context
                        .log
                        .say(&format!("{name} {}; again in {seconds} s", end.how));
                    self.state.send_replace(State::Starting);
                    self.why.send_replace(end.how);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// One life of the process. None if it was ended because it is no longer wanted.
    async fn live(&self, lives: &mut Lives) -> Option<End> {
        let began = Instant::now();
        let again = lives.started();
        let mut running = match Running::start(&self.spec, self.colour, &self.context).await {
            Ok(running) => running,
            Err(error) => return Some(End::unknown("cannot be started", &error)),
        };
        let get_ready = async {
            self.spec.probe.ready(&self.context.http, &self.why).await;
            lives.ready(Instant::now());
            self.state.send_replace(State::Ready);
            if again {
                let (name, seconds) = (&self.spec.name, began.elapsed().as_secs_f64());
                self.context
                    .log
                    .say(&format!("{name} is ready again after {seconds:.1} s"));
            }
            pending::<()>().await;
        };
        let exit = tokio::select! {
            exit = running.child.wait() => exit,
            () = get_ready => unreachable!("it waits for ever"),
            () = self.stop.cancelled() => {
                running.end(self.spec.grace, &self.context.kill).await;
                return None;
            }
        };
        running.finish_log().await;
        Some(match exit {
            Ok(exit) => End {
                code: exit.code(),
                how: describe(exit, &running.last.get()),
            },
            Err(error) => End::unknown("cannot be watched", &error),
        })
    }
}

/// How a process ended, for people.
fn describe(exit: ExitStatus, last_words: &str) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) if last_words.is_empty() => format!("ended with exit code {code}"),
        (Some(code), _) => format!("ended with exit code {code}: {last_words}"),
        // A signal takes a process in the middle of its words.
        (None, Some(signal)) => match Signal::from_named_raw(signal) {
            Some(Signal::KILL) => "was killed (SIGKILL)".to_owned(),
            Some(Signal::TERM) => "was ended (SIGTERM)".to_owned(),
            Some(Signal::ABORT) => "aborted (SIGABRT)".to_owned(),
            Some(Signal::SEGV) => "broke down (SIGSEGV)".to_owned(),
            _ => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// This very program, even if its file was replaced or deleted since: all processes of a system are of one build.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

/// A process and what belongs to it.
struct Running {
    child: Child,
    /// Closed when this process ends, which the child notices.
    _stdin: Option<tokio::process::ChildStdin>,
    readers: Vec<JoinHandle<()>>,
    last: LastWords,
}

impl Running {
    async fn start(spec: &Spec, colour: usize, context: &Context) -> io::Result<Self> {
        let mut command = Command::new(program()?);
        command
            .arg0("tolerancia")
            .args(&spec.args)
            .env(guard::SUPERVISED, std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal goes to the whole group of the supervisor: the children are in none of it.
            .process_group(0)
            .kill_on_drop(true);
        for (name, value) in &spec.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = context.spawner.spawn(command).await?;
        if let Some(pid) = child.id()
            && let Err(error) = context.pids.set(&spec.name, pid)
        {
            context
                .log
                .say(&format!("the list of processes cannot be written ({error})"));
        }
        let last = LastWords::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            // Services print nothing there; what a library prints is not their last word.
            let copy = context
                .log
                .clone()
                .copy(spec.name.clone(), colour, stdout, LastWords::default());
            readers.push(tokio::spawn(copy));
        }
        if let Some(stderr) = child.stderr.take() {
            let copy = context
                .log
                .clone()
                .copy(spec.name.clone(), colour, stderr, last.clone());
            readers.push(tokio::spawn(copy));
        }
        Ok(Self {
            _stdin: child.stdin.take(),
            child,
            readers,
            last,
        })
    }

    /// Asks the process to stop, and insists after `grace` or when `kill` says so.
    async fn end(mut self, grace: Duration, kill: &CancellationToken) {
        // A stopped process would never see the request.
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        tokio::select! {
            _ = self.child.wait() => {}
            () = tokio::time::sleep(grace) => self.kill().await,
            () = kill.cancelled() => self.kill().await,
        }
        self.finish_log().await;
    }

    async fn kill(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill().await;
    }

    fn signal(&self, signal: Signal) {
        // The id stays the child's until it is waited for, so it cannot hit another process.
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // An error means that it has ended.
            let _ = kill_process(pid, signal);
        }
    }

    async fn finish_log(&mut self) {
        for reader in self.readers.drain(..) {
            // Nothing is lost but lines of a pipe that somebody else keeps open.
            let _ = tokio::time::timeout(LAST_LINES, reader).await;
        }
    }
}
