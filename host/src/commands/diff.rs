//! `op-dbus diff`: what would change.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::options::Options;
use super::session::Session;
use super::{DIFFERENCES, print};
use crate::output::escape::escape;
use crate::output::{json, tree};
use crate::plugin::builtin::Builtin;
use crate::state_file;
use crate::transaction::plan::Part;

/// Show what would change.
#[derive(Args)]
pub struct Diff {
    /// State file, JSON or YAML; `-` reads standard input
    file: PathBuf,
    /// Keep the plan in a file, for `apply --plan`
    #[arg(long, value_name = "PLAN")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let file = state_file::load(&self.file)?;
        let session = Session::open(options, builtins).await?;
        session.recover().await?;
        let plugins = session.plugins_of(&file)?;
        let parts = session.plan(&file, &plugins, session.reading()).await?;
        if let Some(out) = &self.out {
            super::planned::write(&session, &file, &parts, out)?;
        }
        let in_sync = parts.iter().all(|part| part.actions.is_empty());
        if self.json {
            print(&json::text(&as_json(&parts)?))?;
        } else {
            print(&tree::plan(&by_plugin(&parts), options.style()))?;
            if let Some(out) = &self.out {
                let path = out.display().to_string();
                print(&format!(
                    "the plan is in {0}; `op-dbus apply --plan {0}` carries out just that\n",
                    escape(&path)
                ))?;
            }
        }
        Ok(if in_sync {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(DIFFERENCES)
        })
    }
}

/// Each plugin's steps.
pub(super) fn by_plugin<'p>(
    parts: &'p [Part<'_>],
) -> Vec<(
    &'p str,
    &'p [crate::contract::exports::op_dbus::plugin::state::Action],
)> {
    parts
        .iter()
        .map(|part| (part.name(), part.actions.as_slice()))
        .collect()
}

fn as_json(parts: &[Part<'_>]) -> serde_json::Result<json::Diff> {
    let plugins = parts
        .iter()
        .map(|part| {
            Ok(json::PluginPlan {
                plugin: part.name().to_owned(),
                actions: part
                    .actions
                    .iter()
                    .map(json::Step::of)
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect::<serde_json::Result<Vec<_>>>()?;
    Ok(json::Diff {
        version: json::VERSION,
        in_sync: plugins.iter().all(|plan| plan.actions.is_empty()),
        plugins,
    })
}
