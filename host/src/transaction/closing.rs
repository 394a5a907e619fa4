//! How a transaction begins and how it ends, whatever it does in between.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::book::Book;
use super::checkpoints::{Checkpoints, Noted, Origin};
use super::deadline::Deadline;
use super::effects::Effects;
use super::ending::{Cause, Ending};
use super::interrupt::Interrupt;
use super::journal::Journal;
use super::record::{Begin, PluginDigest, Record};
use super::state_dir::StateDir;
use super::trail::Trail;
use super::undoers::{Undoers, release};
use crate::plugin::failure::describe;
use crate::secrets::SecretStore;

/// What a transaction begins with.
pub struct Opening<'a> {
    /// Where its journal goes. The caller holds the lock.
    pub state: &'a StateDir,
    /// Who undoes it.
    pub undoers: Undoers<'a>,
    /// The command line, for whoever reads the journal.
    pub command: &'a str,
    /// The plugins that take part, in the order in which they apply.
    pub plugins: Vec<PluginDigest>,
    /// What they have noted of the present state, for an undo that only they can do.
    pub noted: Vec<Noted>,
    /// Whether that is kept as a checkpoint, to go back to once the new state holds.
    pub keeps_checkpoint: bool,
    /// Where the texts of secrets are kept that an undo puts back.
    pub secrets: Arc<SecretStore>,
    /// Signals that ask it to stop. Listening began before, so that none kills the process half-way.
    pub interrupt: Interrupt,
}

/// A transaction that has begun.
pub struct Transaction<'a> {
    /// Unique on this host.
    pub id: String,
    /// For the plugins that take part.
    pub book: Arc<Book>,
    checkpoints: Checkpoints,
    checkpoint: Option<u64>,
    /// What was noted for this transaction's own undo alone.
    noted: Vec<Noted>,
    undoers: Undoers<'a>,
    interrupt: Interrupt,
}

/// How a transaction was closed.
pub struct Closed {
    /// Which state holds.
    pub ending: Ending,
    /// The checkpoint of before, while there is something to go back to.
    pub checkpoint: Option<u64>,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

impl<'a> Transaction<'a> {
    /// Begins a journal, and keeps the checkpoint.
    ///
    /// # Errors
    /// When the state directory cannot be written: then nothing has been touched.
    pub async fn begin(opening: Opening<'a>) -> anyhow::Result<Self> {
        let (plugins, noted) = (opening.undoers.plugins, opening.noted.clone());
        let begun = Self::open(opening).await;
        if begun.is_err() {
            release(plugins, &noted).await;
        }
        begun
    }

    async fn open(opening: Opening<'a>) -> anyhow::Result<Self> {
        let begin = Begin::now(opening.command, opening.plugins);
        let begin = begin.context("this process cannot be told")?;
        let id = begin.transaction.clone();
        let log = opening.state.audit_log();
        let log = log.context("the audit log cannot be opened")?;
        let journal = Journal::begin(opening.state, begin.clone())?;
        let effects = Effects::of([&Record::Begin(begin.clone())]);
        let trail = Some(Trail::new(log, begin));
        let book = Book::transaction(journal, trail, effects, opening.noted.clone());
        let book = book.keeping(opening.secrets);
        let mut begun = Self {
            id,
            book: Arc::new(book),
            checkpoints: Checkpoints::of(opening.state),
            checkpoint: None,
            noted: Vec::new(),
            undoers: opening.undoers,
            interrupt: opening.interrupt,
        };
        if !opening.keeps_checkpoint {
            begun.noted = opening.noted;
            return Ok(begun);
        }
        let added = begun
            .checkpoints
            .add(Origin::Apply, begun.id.clone(), opening.noted);
        match added {
            Ok(checkpoint) => begun.checkpoint = Some(checkpoint.id),
            Err(error) => {
                begun.undo(Cause::Journal(format!("{error:#}"))).await;
                return Err(error);
            }
        }
        Ok(begun)
    }

    /// Works until that is done, has failed, or a signal asks to stop. Then the new state is committed or the old one restored. Signals that
    /// come during that change nothing about it. With `confirm` the new state is not committed but left open, for so long, to whoever resumes
    /// the journal.
    pub async fn close(
        mut self,
        working: impl Future<Output = Result<(), Cause>>,
        confirm: Option<Duration>,
    ) -> Closed {
        let working = async {
            working.await?;
            // The kernel answers so fast that nothing may have waited until now, and no signal have been heard.
            tokio::task::yield_now().await;
            Ok(())
        };
        let worked = tokio::select! {
            biased;
            signal = self.interrupt.came() => Err(Cause::Interrupted(signal)),
            worked = working => worked,
        };
        let worked = match worked {
            Ok(()) => match confirm {
                Some(within) => self.hold(within).await,
                None => self.commit().await,
            },
            Err(cause) => Err(cause),
        };
        let mut closed = match worked {
            Ok(ending @ Ending::Awaiting(_)) => Closed {
                ending,
                checkpoint: self.checkpoint,
                notes: Vec::new(),
            },
            Ok(ending) => {
                let made = self.checkpoints.make_room(self.undoers.plugins).await;
                Closed {
                    ending,
                    checkpoint: self.checkpoint,
                    notes: made.unwrap_or_else(|error| vec![format!("{error:#}")]),
                }
            }
            Err(cause) => self.undo(cause).await,
        };
        // What is still open, or still to be undone, needs it.
        if matches!(closed.ending, Ending::Applied | Ending::RolledBack(_)) {
            let notes = release(self.undoers.plugins, &self.noted).await;
            closed.notes.extend(notes);
        }
        closed
    }

    /// What was done goes into the checkpoint, so that it can be gone back to.
    async fn complete_checkpoint(&self) -> Result<(), Cause> {
        if let Some(id) = self.checkpoint {
            self.checkpoints
                .set_effects(id, self.book.effects().await)
                .map_err(|error| Cause::Journal(format!("{error:#}")))?;
        }
        Ok(())
    }

    async fn hold(&self, within: Duration) -> Result<Ending, Cause> {
        let failed = |error: std::io::Error| Cause::Journal(error.to_string());
        failpoint!("hold.before-checkpoint").map_err(failed)?;
        self.complete_checkpoint().await?;
        failpoint!("hold.before-record").map_err(failed)?;
        let deadline = Deadline::after(within);
        let held = self.book.hold(&deadline).await;
        held.map_err(|failure| Cause::Journal(describe(&failure)))?;
        Ok(Ending::Awaiting(deadline))
    }

    async fn commit(&self) -> Result<Ending, Cause> {
        self.complete_checkpoint().await?;
        let committed = self.book.commit("done").await;
        committed.map_err(|error| Cause::Journal(error.to_string()))?;
        Ok(Ending::Applied)
    }

    async fn undo(&self, cause: Cause) -> Closed {
        let mut reversed = self.book.undo(&self.undoers, &cause.to_string()).await;
        let mut checkpoint = self.checkpoint;
        if reversed.incomplete.is_empty() {
            // The old state holds: there is nothing to go back to. The journal is closed after that, so that no death leaves one too many.
            checkpoint = None;
            let forgotten = self.checkpoints.forget(&self.id, self.undoers.plugins);
            match forgotten.await {
                Ok(notes) => reversed.notes.extend(notes),
                Err(error) => reversed.notes.push(format!("{error:#}")),
            }
        }
        let how = match reversed.incomplete.len() {
            0 => format!("rolled back ({cause})"),
            left => format!("rolled back but for {left} objects ({cause})"),
        };
        if let Err(error) = self.book.close_undone(&reversed, || self.book.ended(&how)) {
            reversed.notes.push(error.to_string());
        }
        let ending = match reversed.incomplete.is_empty() {
            true => Ending::RolledBack(cause),
            false => Ending::Incomplete(cause, reversed.incomplete),
        };
        Closed {
            ending,
            checkpoint,
            notes: reversed.notes,
        }
    }
}
