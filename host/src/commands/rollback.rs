//! `op-dbus rollback`: back to a checkpoint.

use std::process::ExitCode;

use clap::Args;

use super::confirm::{code, decide};
use super::options::Options;
use super::session::Session;
use super::talk::say;
use super::{print, report};
use crate::output::json;
use crate::plugin::builtin::Builtin;
use crate::transaction::checkpoints::{Checkpoints, Origin};
use crate::transaction::pending::{Ask, Ended};
use crate::transaction::rollback::{Back, rollback};

/// Go back to a checkpoint.
#[derive(Args)]
pub struct Rollback {
    /// The checkpoint; without it the newest one, which is used up. While a change awaits confirmation, that is undone
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
        if self.id.is_none()
            && let Some(state) = session.existing_state_dir()?
            && let Some(ended) = decide(&state, &Ask::Rollback).await?
        {
            return self.undone_now(&ended, options);
        }
        let (state, _lock, recovered) = session.lock_and_recover().await?;
        if let Some(recovered) = recovered.filter(|_| self.id.is_none()) {
            // What had come last is undone by now: to go further back than that must be asked for.
            let ended = Ended {
                kept: false,
                why: "its process had died".to_owned(),
                incomplete: recovered.undone.incomplete,
                notes: recovered.undone.notes,
            };
            return self.undone_now(&ended, options);
        }
        let checkpoints = Checkpoints::of(&state);
        let way = checkpoints.way_back(self.id)?;
        let back = Back {
            state: &state,
            undoers: session.undoers(),
            secrets: session.secrets.clone(),
            way: &way,
            command: &super::command_line(),
            deadline: options.configuration.transaction_deadline(),
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

    /// What awaited confirmation was undone, as was asked for.
    fn undone_now(&self, ended: &Ended, options: &Options) -> anyhow::Result<ExitCode> {
        let done = !ended.kept && ended.incomplete.is_empty();
        if self.json {
            let mut shape = json::Apply::decided(ended);
            if done {
                shape.result = json::ApplyResult::Applied;
                shape.failures.clear();
            }
            print(&json::text(&shape))?;
        }
        if done {
            if !self.json {
                print("undone: the network is as it was before the last change\n")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        say(&report::undone(ended, options.talk_style()));
        Ok(code(ended))
    }
}
