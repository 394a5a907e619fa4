//! Carrying out a plan: checkpoint, journal, apply, verify, commit; or undo, whatever went wrong.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use super::book::Book;
use super::checkpoints::Noted;
use super::closing::{Opening, Transaction};
use super::ending::{Cause, Report, first_failure};
use super::interrupt::Interrupt;
use super::noting;
use super::plan::Part;
use super::probes::Probes;
use super::record::PluginDigest;
use super::settle::{self, News};
use super::state_dir::StateDir;
use super::undoers::{Undoers, release};
use crate::backends::netlink::Netlink;
use crate::backends::ovsdb::Lazy;
use crate::contract::exports::op_dbus::plugin::state::Outcome;
use crate::gate::Mode;
use crate::progress;
use crate::secret_agent::Registered;
use crate::secrets::SecretStore;

/// What a transaction needs beside its parts.
pub struct Setting<'a> {
    /// Where its journal and checkpoints go. The caller holds the lock.
    pub state: &'a StateDir,
    /// The kernel, for events.
    pub kernel: &'a Netlink,
    /// The OVSDB server, for events.
    pub ovsdb: &'a Lazy,
    /// Who undoes it.
    pub undoers: Undoers<'a>,
    /// Where the texts of secrets are kept that an undo puts back.
    pub secrets: Arc<SecretStore>,
    /// The command line, for whoever reads the journal.
    pub command: &'a str,
    /// Answers NetworkManager while the new state is made, and no longer: an undo has another one.
    pub agent: Option<Registered>,
    /// How long the system may take to show what was done; nothing to skip that.
    pub verify: Option<Duration>,
    /// Probes that passed before the change, by name: they must pass after it.
    pub probes: Option<(Arc<Probes>, Vec<String>)>,
    /// How long all of that may take, before it is undone.
    pub deadline: Duration,
    /// How long somebody has to say that the new state works; nothing to keep it at once.
    pub confirm: Option<Duration>,
}

/// Carries out parts, of which at least one has something to do, as one transaction. The book of each part's caller is replaced by the
/// transaction's own.
///
/// # Errors
/// Only before anything was touched; from then on the report tells.
pub async fn apply(mut parts: Vec<Part<'_>>, setting: &mut Setting<'_>) -> anyhow::Result<Report> {
    let interrupt = Interrupt::listen().context("signals cannot be listened to")?;
    // Listening starts before the first change, so that no event is missed.
    let news = News::listen(setting.kernel, &parts).await?;
    noting::begin(setting.state).context("the state directory cannot be written")?;
    let noted = note(&parts, setting.undoers).await?;
    failpoint!("noted")?;
    let plugins = parts.iter().map(|part| PluginDigest {
        plugin: part.name().to_owned(),
        digest: part.caller.plugin.digest.clone(),
    });
    let transaction = Transaction::begin(Opening {
        state: setting.state,
        undoers: setting.undoers,
        command: setting.command,
        plugins: plugins.collect(),
        noted,
        keeps_checkpoint: true,
        secrets: setting.secrets.clone(),
        interrupt,
    })
    .await?;
    for part in &mut parts {
        part.caller.recorder = transaction.book.clone();
    }
    let id = transaction.id.clone();
    let book = transaction.book.clone();
    let (mut outcomes, mut notes) = (Vec::new(), Vec::new());
    let agent = setting.agent.take();
    let working = async {
        let _agent = agent;
        work(
            &parts,
            &mut outcomes,
            setting.verify.zip(Some(news)),
            setting.ovsdb,
        )
        .await?;
        notes = unseen(&parts, &book).await;
        if let Some((probes, names)) = &setting.probes {
            healthy(probes, names).await?;
        }
        failpoint!("probes.after").map_err(cause_of)
    };
    let working = in_time(setting.deadline, working);
    let closed = transaction.close(working, setting.confirm).await;
    notes.extend(closed.notes);
    // How it ended is decided; the file only makes the next command look once more.
    notes.extend(
        noting::end(setting.state)
            .err()
            .map(|error| format!("noting: {error}")),
    );
    Ok(Report {
        transaction: id,
        checkpoint: closed.checkpoint,
        outcomes,
        verified: setting.verify.is_some(),
        ending: closed.ending,
        notes,
    })
}

/// Works, but not for ever: each call into a plugin has a limit of its own, and there may be many.
pub(super) async fn in_time(
    within: Duration,
    working: impl Future<Output = Result<(), Cause>>,
) -> Result<(), Cause> {
    timeout(within, working)
        .await
        .unwrap_or(Err(Cause::Late(within)))
}

/// A step that a test makes fail ends as one does that cannot be written down.
fn cause_of(error: std::io::Error) -> Cause {
    Cause::Journal(error.to_string())
}

/// Asks the probes that count.
async fn healthy(probes: &Arc<Probes>, names: &[String]) -> Result<(), Cause> {
    progress::phase("probing");
    let failed = probes.after(names).await;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Cause::Unhealthy(failed)),
    }
}

/// What the plugins note of the present state of what their sections concern.
async fn note(parts: &[Part<'_>], undoers: Undoers<'_>) -> anyhow::Result<Vec<Noted>> {
    let mut noted = Vec::new();
    for part in parts {
        match part.caller.checkpoint(Some(&part.desired)).await {
            Ok(checkpoint) => noted.push(Noted {
                plugin: part.name().to_owned(),
                checkpoint,
            }),
            Err(error) => {
                release(undoers.plugins, &noted).await;
                return Err(error.into());
            }
        }
    }
    Ok(noted)
}

/// Carries out the steps and reads the system back.
async fn work(
    parts: &[Part<'_>],
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
    verify: Option<(Duration, News)>,
    ovsdb: &Lazy,
) -> Result<(), Cause> {
    carry_out(parts, outcomes).await?;
    failpoint!("verify.before").map_err(cause_of)?;
    if let Some((within, news)) = verify {
        let found = settle::verify(parts, news, ovsdb, within)
            .await
            .map_err(Cause::Plugin)?;
        if !found.is_empty() {
            return Err(Cause::Mismatch(found));
        }
        without_contradiction(parts).await?;
    }
    failpoint!("verify.after").map_err(cause_of)
}

/// A plugin of others that says that all is as it was wished must find nothing left to do either.
async fn without_contradiction(parts: &[Part<'_>]) -> Result<(), Cause> {
    for part in strangers(parts) {
        let current = part.caller.query(Some(&part.desired)).await;
        let current = current.map_err(Cause::Plugin)?;
        let left = part.caller.diff(&current, &part.desired).await;
        let left = left.map_err(Cause::Plugin)?;
        if !left.is_empty() {
            return Err(Cause::Contradicted {
                plugin: part.name().to_owned(),
                targets: left.into_iter().map(|action| action.target).collect(),
            });
        }
    }
    Ok(())
}

/// Where there is nothing but a plugin's word for what it did: the host has seen no request of it, or has seen some fail.
async fn unseen(parts: &[Part<'_>], book: &Book) -> Vec<String> {
    let mut notes = Vec::new();
    for part in strangers(parts) {
        let name = part.name();
        let answered = book.answered_to(name);
        if !book.has_acted(name).await {
            notes.push(format!(
                "{name} says that it has carried out {} steps, but it has asked nobody to change anything: that they are done is its word alone",
                part.actions.len()
            ));
        } else if answered.refused > 0 {
            notes.push(format!(
                "{name} says that it has carried out all steps, although the kernel refused {} of its {} requests",
                answered.refused,
                answered.done + answered.refused
            ));
        }
    }
    notes
}

/// Parts with steps, of plugins that others wrote.
fn strangers<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = &'p Part<'a>> {
    let with_steps = parts.iter().filter(|part| !part.actions.is_empty());
    with_steps.filter(|part| !part.caller.plugin.is_builtin)
}

/// Lets each plugin carry out its steps, and stops at the first that fails.
async fn carry_out(
    parts: &[Part<'_>],
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
) -> Result<(), Cause> {
    progress::phase("applying");
    for part in parts.iter().filter(|part| !part.actions.is_empty()) {
        failpoint!("apply.before-plugin").map_err(cause_of)?;
        let done = part
            .caller
            .apply(Mode::Change, &part.actions)
            .await
            .map_err(Cause::Plugin)?;
        let failed = first_failure(part.name(), &done);
        outcomes.push((part.name().to_owned(), done));
        if let Some(cause) = failed {
            return Err(cause);
        }
        failpoint!("apply.after-plugin").map_err(cause_of)?;
    }
    Ok(())
}
