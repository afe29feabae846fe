//! One experiment at a time: started, followed, stopped.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tolerancia_service::problem::ApiProblem;

use super::child::{self, Child, Event};
use super::folders::Head;
use super::request::Plan;
use super::{ExperimentSettings, ExperimentState, Tell};
use crate::browser::BrowserEvent;

/// The page is told at most so often.
const EVERY: Duration = Duration::from_millis(250);
/// How long the last lines of a process that has ended are waited for.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What became of a request.
pub(super) type Answer = Result<ExperimentState, ApiProblem>;

/// A request.
#[derive(Debug)]
pub(super) enum Command {
    Start(Plan, oneshot::Sender<Answer>),
    Stop(oneshot::Sender<Answer>),
}

/// Who carries requests out.
pub(super) struct Conductor<'a> {
    pub settings: &'a ExperimentSettings,
    pub tell: &'a Tell,
    /// How long an experiment that cleans up is waited for at shutdown.
    pub grace: Duration,
    /// Told when an experiment has ended: there is another folder.
    pub ended: mpsc::Sender<()>,
    pub shutdown: &'a CancellationToken,
}

/// The state of an experiment, and when the page was told.
struct Told<'a> {
    all: &'a Tell,
    state: ExperimentState,
    at: Instant,
    is_news: bool,
}

impl Told<'_> {
    fn tell(&mut self) {
        let event = BrowserEvent::Experiment(Some(self.state.clone()));
        (self.all)(event);
        (self.at, self.is_news) = (Instant::now(), false);
    }

    /// Comes back when there is something to tell and it is time to.
    async fn is_due(&self) {
        if self.is_news {
            sleep_until(self.at + EVERY).await;
        } else {
            std::future::pending().await
        }
    }
}

impl Conductor<'_> {
    /// Carries requests out until shutdown. An experiment that runs then is interrupted and waited for, and let go when it
    /// takes too long.
    pub(super) async fn conduct(&self, mut queue: mpsc::Receiver<Command>) {
        loop {
            let command = tokio::select! {
                () = self.shutdown.cancelled() => return,
                command = queue.recv() => command,
            };
            match command {
                None => return,
                Some(Command::Stop(reply)) => {
                    // Whoever asked may be gone, here and below.
                    let _ = reply.send(Err(ApiProblem::not_found(
                        "no experiment runs: there is nothing to stop",
                    )));
                }
                Some(Command::Start(plan, reply)) => match self.start(plan).await {
                    Ok((child, state)) => {
                        let _ = reply.send(Ok(state.clone()));
                        self.follow(child, state, &mut queue).await;
                    }
                    Err(problem) => {
                        let _ = reply.send(Err(problem));
                    }
                },
            }
        }
    }

    async fn start(&self, plan: Plan) -> Result<(Child, ExperimentState), ApiProblem> {
        let settings = self.settings;
        let results = settings.results_dir.clone();
        let folder = tokio::task::spawn_blocking(move || child::make_folder(&results, Timestamp::now())).await;
        let folder = folder.map_err(std::io::Error::from).and_then(|made| made);
        let folder = folder.map_err(|error| {
            ApiProblem::internal(format!(
                "no folder can be made in {} ({error}): make it writable, or choose another with --results-dir",
                settings.results_dir.display()
            ))
        })?;
        let child = Child::start(settings, &plan, &settings.results_dir.join(&folder));
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                self.remove_if_empty(&folder).await;
                return Err(ApiProblem::internal(format!(
                    "the experiment cannot be started ({error}): start it by hand with `tolerancia experiment`"
                )));
            }
        };
        tracing::info!(scenario = plan.scenario, folder, "an experiment begins");
        Ok((
            child,
            ExperimentState::new(plan.scenario, plan.quick, plan.seed, folder),
        ))
    }

    /// Follows an experiment to its end.
    async fn follow(&self, mut child: Child, state: ExperimentState, queue: &mut mpsc::Receiver<Command>) {
        let mut told = Told {
            all: self.tell,
            state,
            at: Instant::now(),
            is_news: false,
        };
        told.tell();
        let mut deadline = None;
        let exit = loop {
            let at_deadline = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = child.next() => match event {
                    Event::Said(line) => {
                        told.state.hear(&line);
                        told.is_news = true;
                    }
                    Event::Ended(exit) => break exit,
                },
                () = told.is_due() => told.tell(),
                Some(command) = queue.recv() => self.refuse_or_stop(command, &mut child, &told.state),
                () = self.shutdown.cancelled(), if deadline.is_none() => {
                    child.interrupt();
                    deadline = Some(Instant::now() + self.grace);
                }
                () = at_deadline => {
                    // Killed, it would leave a fault active. Its standard input ends with this: that bounds its life.
                    tracing::warn!(
                        pid = child.pid(),
                        folder = told.state.folder,
                        "the experiment still cleans up after {} s and is no longer waited for: it ends by itself within a \
                         minute. If a fault is active then, `tolerancia inject clear --instance N` ends it",
                        self.grace.as_secs()
                    );
                    return;
                }
            }
        };
        let rest = async {
            while let Some(line) = child.last_line().await {
                told.state.hear(&line);
            }
        };
        // Nothing is lost but lines of a pipe that somebody else keeps open.
        let _ = timeout(LAST_LINES, rest).await;
        let code = exit.ok().and_then(child::code);
        let verdict = self.verdict(&told.state.folder).await;
        told.state.end(code, verdict);
        tracing::info!(
            code,
            error = told.state.error,
            folder = told.state.folder,
            "the experiment has ended"
        );
        told.tell();
        // A message that waits already will do.
        let _ = self.ended.try_send(());
    }

    fn refuse_or_stop(&self, command: Command, child: &mut Child, state: &ExperimentState) {
        match command {
            Command::Start(_, reply) => {
                let _ = reply.send(Err(ApiProblem::conflict(format!(
                    "the experiment {} runs, in the folder {}: wait for its end, or stop it first",
                    state.scenario, state.folder
                ))));
            }
            Command::Stop(reply) => {
                child.interrupt();
                let _ = reply.send(Ok(state.clone()));
            }
        }
    }

    /// What its report says came out. A folder that it left empty is removed.
    async fn verdict(&self, folder: &str) -> Option<super::state::Verdict> {
        self.remove_if_empty(folder).await;
        let (results, folder) = (self.settings.results_dir.clone(), folder.to_owned());
        let head = tokio::task::spawn_blocking(move || Head::read(&results, &folder)).await;
        head.ok()?.ok()?.verdict()
    }

    async fn remove_if_empty(&self, folder: &str) {
        let folder = self.settings.results_dir.join(folder);
        // An error means that there is something in it.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir(folder)).await;
    }
}
