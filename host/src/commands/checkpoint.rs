//! `op-dbus checkpoint`: states to go back to.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;

use super::options::Options;
use super::print;
use super::session::Session;
use crate::output::{json, tree};
use crate::plugin::builtin::Builtin;
use crate::transaction::checkpoints::{Checkpoint as Kept, Checkpoints, Noted, Origin};

/// Keep the present state to go back to.
#[derive(Subcommand)]
pub enum Checkpoint {
    /// Keep the present state of everything that the plugins see
    Create {
        /// A word to tell it by
        #[arg(long, default_value = "")]
        comment: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the checkpoints, the newest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a checkpoint holds
    Show {
        /// The checkpoint
        id: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a checkpoint
    Delete {
        /// The checkpoint
        id: u64,
    },
}

impl Checkpoint {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let session = Session::open(options, builtins).await?;
        let (state, _lock) = session.lock().await?;
        let checkpoints = Checkpoints::of(&state);
        match self {
            Self::Create { comment, json } => {
                let mut noted = Vec::new();
                for plugin in session.plugins_here(None).await? {
                    let caller = session.caller(&plugin, session.reading());
                    let checkpoint = caller.checkpoint(None).await?;
                    noted.push(Noted {
                        plugin: plugin.name,
                        checkpoint,
                    });
                }
                session.keep_secrets()?;
                let made = checkpoints.add(Origin::Hand, comment.clone(), noted)?;
                if *json {
                    print(&json::text(&shape(&made)))?;
                } else {
                    print(&format!(
                        "checkpoint {}; `op-dbus rollback {}` goes back to it\n",
                        made.id, made.id
                    ))?;
                }
            }
            Self::List { json } => {
                let mut all = checkpoints.list()?;
                all.reverse();
                if *json {
                    print(&json::text(&json::CheckpointList {
                        version: json::VERSION,
                        checkpoints: all.iter().map(shape).collect(),
                    }))?;
                } else if all.is_empty() {
                    print("there are no checkpoints\n")?;
                } else {
                    for checkpoint in &all {
                        let shape = shape(checkpoint);
                        print(&format!(
                            "{:>4}  {}  {}  {}\n",
                            shape.id,
                            shape.created,
                            shape.plugins.join(","),
                            crate::output::escape::escape(&shape.reason),
                        ))?;
                    }
                }
            }
            Self::Show { id, json } => {
                let kept = checkpoints.get(Some(*id))?;
                if *json {
                    let sections = kept
                        .plugins
                        .iter()
                        .map(|noted| {
                            Ok((noted.plugin.clone(), json::raw(&noted.checkpoint.state)?))
                        })
                        .collect::<serde_json::Result<Vec<_>>>()?;
                    print(&json::text(&json::CheckpointShow {
                        version: json::VERSION,
                        checkpoint: shape(&kept),
                        plugins: json::Sections(sections),
                    }))?;
                } else {
                    for noted in &kept.plugins {
                        print(&tree::section(
                            &noted.plugin,
                            &noted.checkpoint.state,
                            options.style(),
                        ))?;
                    }
                }
            }
            Self::Delete { id } => {
                let kept = checkpoints.get(Some(*id))?;
                for note in checkpoints.discard(&kept, &session).await? {
                    tracing::warn!("{note}");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn shape(kept: &Kept) -> json::Checkpoint {
    let created = UNIX_EPOCH + Duration::from_secs(kept.created);
    let reason = match (kept.origin, kept.comment.as_str()) {
        (Origin::Apply, transaction) => format!("apply {transaction}"),
        (Origin::Hand, "") => "manual".to_owned(),
        (Origin::Hand, comment) => format!("manual: {comment}"),
    };
    json::Checkpoint {
        id: kept.id.to_string(),
        created: humantime::format_rfc3339_seconds(created).to_string(),
        reason,
        plugins: kept
            .plugins
            .iter()
            .map(|noted| noted.plugin.clone())
            .collect(),
    }
}
