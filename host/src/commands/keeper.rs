//! The keeper of a change that awaits confirmation: a process of its own that no dying terminal takes along.
//!
//! `apply --confirm` starts it before it touches anything, and shares the lock with it. While the apply runs, it watches: should that process
//! die, it undoes what was begun, at once. When all is applied and verified, it takes over: it waits for a word or for the deadline, and
//! commits or undoes. It does both from the journal, as any later process could: when it dies too, the next command undoes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitCode;

use anyhow::Context;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::options::Options;
use super::session::Session;
use crate::failpoint;
use crate::plugin::builtin::Builtin;
use crate::transaction::deadline::Deadline;
use crate::transaction::interrupt::Interrupt;
use crate::transaction::lock::Lock;
use crate::transaction::pending::{self, Answer, Ask, Ended, Talk};
use crate::transaction::state_dir::StateDir;

/// Set for a program that is to be a keeper.
pub const VARIABLE: &str = "OP_DBUS_KEEPER";

/// Whether this program is to be a keeper.
pub fn is_one() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The process that applies, and perhaps somebody in front of it.
type Front = Talk;

/// Is the keeper until all is decided. Standard input is the lock, standard output the socket of whoever started it.
///
/// # Errors
/// When it was not started by an apply; when what was begun cannot be undone.
pub async fn keep(options: &Options, builtins: &[Builtin]) -> anyhow::Result<ExitCode> {
    // A session of its own: the terminal's hangup and its keys are for the others. Refused to who leads one already.
    let _ = rustix::process::setsid();
    let taken =
        |descriptor: io::Result<OwnedFd>| descriptor.context("a keeper is started by apply");
    let lock = File::from(taken(io::stdin().as_fd().try_clone_to_owned())?);
    let stream = StdStream::from(taken(io::stdout().as_fd().try_clone_to_owned())?);
    stream.set_nonblocking(true)?;
    let mut front = Talk::over(UnixStream::from_std(stream)?);

    let started = async {
        let session = Session::open(options, builtins).await?;
        let state = session.state_dir()?;
        let lock = Lock::adopt(&state, lock)?;
        // From here on nothing but a SIGKILL ends it before its time.
        let interrupt = Interrupt::listen()?;
        anyhow::Ok((session, state, lock, interrupt))
    };
    let (session, state, lock, interrupt) = match started.await {
        Ok(started) => started,
        Err(error) => {
            front.say(&Answer::Failed(format!("{error:#}"))).await?;
            return Err(error);
        }
    };
    let keeper = Keeper {
        session: &session,
        state: &state,
        lock,
        interrupt,
    };
    failpoint!("keeper.ready")?;
    front.say(&Answer::Ready).await?;
    keeper.watch(front).await?;
    Ok(ExitCode::SUCCESS)
}

struct Keeper<'a> {
    session: &'a Session<'a>,
    state: &'a StateDir,
    lock: Lock,
    interrupt: Interrupt,
}

impl Keeper<'_> {
    /// Until the process that applies has something to hand over, or is no more.
    async fn watch(mut self, mut front: Front) -> anyhow::Result<()> {
        match front.hear().await {
            Ok(Some(Ask::Hold(deadline))) => {
                failpoint!("keeper.before-listening")?;
                let listener = match pending::listen(self.state) {
                    Ok(listener) => listener,
                    Err(error) => {
                        let failed = format!("nobody could confirm it: {error}");
                        front.say(&Answer::Failed(failed)).await?;
                        return Ok(());
                    }
                };
                // The text of the lock file decides nothing; a full disk is no reason to give up.
                let _ = self
                    .lock
                    .sign(&super::command_line(), Some(&deadline.shown));
                failpoint!("keeper.holding")?;
                let held = front.say(&Answer::Holding).await;
                self.hold(held.is_ok().then_some(front), &deadline, listener)
                    .await
            }
            Ok(Some(Ask::Dismiss)) => Ok(()),
            // It died, or speaks nonsense: what it has begun is undone.
            _ => {
                let _ = self.lock.sign(&super::command_line(), None);
                self.session
                    .undo(self.state, "its process died over it")
                    .await
                    .map(drop)
            }
        }
    }

    /// Until somebody has decided, or the deadline has.
    async fn hold(
        mut self,
        mut front: Option<Front>,
        deadline: &Deadline,
        listener: UnixListener,
    ) -> anyhow::Result<()> {
        let (others, mut asked) = mpsc::channel(16);
        tokio::spawn(receive(listener, others));
        let (decision, mut asker) = loop {
            tokio::select! {
                passed = deadline.passed() => {
                    let why = match passed {
                        Ok(()) => "nobody has confirmed it in time".to_owned(),
                        Err(error) => format!("the time cannot be kept: {error}"),
                    };
                    break ((Ask::Rollback, why), None);
                }
                heard = hear(&mut front), if front.is_some() => match heard {
                    Some(Ask::Confirm) => break ((Ask::Confirm, "confirmed where it was applied".to_owned()), None),
                    Some(Ask::Rollback) => break ((Ask::Rollback, "undone where it was applied, before its time was up".to_owned()), None),
                    Some(_) => {}
                    None => front = None,
                },
                Some((ask, talk)) = asked.recv() => {
                    let who = Talk::peer(&talk);
                    match ask {
                        Ask::Confirm => break ((ask, format!("confirmed by {who}")), Some(talk)),
                        Ask::Rollback => break ((ask, format!("undone by {who}, before its time was up")), Some(talk)),
                        Ask::Hold(_) | Ask::Dismiss => {}
                    }
                }
                signal = self.interrupt.came() => if signal != "SIGHUP" {
                    break ((Ask::Rollback, format!("{signal} came to the keeper")), None);
                },
            }
        };
        let ended = match decision {
            (Ask::Confirm, why) => self.confirm(why).await,
            (_, why) => self.undo(why).await,
        };
        // Before anybody is told: who is told may ask for the next change at once.
        let _ = pending::stop_listening(self.state);
        let _ = self.lock.release();
        for talk in [&mut front, &mut asker].into_iter().flatten() {
            let _ = match &ended {
                Ok(ended) => talk.say(&Answer::Ended(ended.clone())).await,
                Err(error) => talk.say(&Answer::Failed(format!("{error:#}"))).await,
            };
        }
        ended.map(drop)
    }

    async fn confirm(&self, why: String) -> anyhow::Result<Ended> {
        failpoint!("keeper.before-commit")?;
        match self.session.keep(self.state, &why).await {
            Ok(notes) => {
                failpoint!("keeper.after-commit")?;
                Ok(Ended {
                    kept: true,
                    why,
                    incomplete: Vec::new(),
                    notes,
                })
            }
            // What cannot be written down does not hold.
            Err(error) => {
                self.undo(format!("{why}, which could not be written down: {error:#}"))
                    .await
            }
        }
    }

    async fn undo(&self, why: String) -> anyhow::Result<Ended> {
        failpoint!("keeper.before-undo")?;
        let recovered = self.session.undo(self.state, &why).await?;
        failpoint!("keeper.after-undo")?;
        let undone = recovered
            .context("the journal of what awaits confirmation is gone")?
            .undone;
        Ok(Ended {
            kept: false,
            why,
            incomplete: undone.incomplete,
            notes: undone.notes,
        })
    }
}

async fn hear(front: &mut Option<Front>) -> Option<Ask> {
    match front {
        Some(front) => front.hear().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// Hands on what each caller says first. One that says nothing keeps nobody waiting.
async fn receive(listener: UnixListener, to: mpsc::Sender<(Ask, Talk)>) {
    while let Ok((stream, _)) = listener.accept().await {
        let to = to.clone();
        tokio::spawn(async move {
            let mut talk = Talk::over(stream);
            if let Ok(Some(ask)) = talk.hear().await {
                let _ = to.send((ask, talk)).await;
            }
        });
    }
}
