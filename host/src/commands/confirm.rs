//! `op-dbus confirm`: the change that awaits confirmation holds.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::options::Options;
use super::session::Session;
use super::talk::say;
use super::{INCOMPLETE, ROLLED_BACK, print, recovered, report};
use crate::output::json;
use crate::plugin::builtin::Builtin;
use crate::transaction::pending::{Ask, Ended, ask};
use crate::transaction::state_dir::StateDir;

/// Keep the change that awaits confirmation.
#[derive(Args)]
pub struct Confirm {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Confirm {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        const NOTHING: &str =
            "nothing awaits confirmation; `op-dbus apply --confirm SECS` makes a change that does";
        let session = Session::open(options, builtins).await?;
        let Some(state) = session.existing_state_dir()? else {
            bail!(NOTHING);
        };
        match decide(&state, &Ask::Confirm).await? {
            Some(ended) if ended.kept => {
                if self.json {
                    print(&json::text(&json::Apply::decided(&ended)))?;
                } else {
                    print("kept; `op-dbus rollback` goes back\n")?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Some(ended) => {
                if self.json {
                    print(&json::text(&json::Apply::decided(&ended)))?;
                }
                say(&report::undone(&ended, options.talk_style()));
                Ok(code(&ended))
            }
            // Nobody answers. Where one has died over it, the network is as it was before by the end of this.
            None => match session.lock_and_recover().await?.2 {
                Some(found) => Ok(recovered(&found)),
                None => bail!(NOTHING),
            },
        }
    }
}

/// Asks the keeper of this namespace, if there is one.
///
/// # Errors
/// When it dies over it.
pub(super) async fn decide(state: &StateDir, what: &Ask) -> anyhow::Result<Option<Ended>> {
    ask(state, what)
        .await
        .context("the process that waits for the word")
}

/// The exit code of a change that was undone.
pub(super) fn code(ended: &Ended) -> ExitCode {
    match ended.incomplete.is_empty() {
        true => ExitCode::from(ROLLED_BACK),
        false => ExitCode::from(INCOMPLETE),
    }
}
