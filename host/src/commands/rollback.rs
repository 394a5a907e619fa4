//! `op-dbus rollback`: back to a checkpoint.

use std::process::ExitCode;

use clap::Args;

use super::options::Options;
use super::session::Session;
use crate::plugin::builtin::Builtin;
use crate::transaction::checkpoints::{Checkpoints, Origin};
use crate::transaction::rollback::{Back, rollback};

/// Go back to a checkpoint.
#[derive(Args)]
pub struct Rollback {
    /// The checkpoint; without it the newest one, which is used up
    id: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rollback {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let session = Session::open(options, builtins).await?;
        let (state, _lock) = session.lock().await?;
        let checkpoints = Checkpoints::new(state.checkpoints());
        let way = checkpoints.way_back(self.id)?;
        let back = Back {
            state: &state,
            undoers: session.undoers(),
            secrets: session.secrets.clone(),
            way: &way,
            command: &super::command_line(),
        };
        let mut report = rollback(&back).await?;
        if report.ending.is_applied() {
            // Used up: what came after the target can no longer be gone back from, and going back without an ID walks on.
            for checkpoint in &way {
                let by_hand = checkpoint.origin == Origin::Hand;
                if self.id.is_none() || !by_hand {
                    let notes = checkpoints.discard(checkpoint, &session).await?;
                    report.notes.extend(notes);
                }
            }
        }
        super::apply::finish(&report, self.json, options)
    }
}
