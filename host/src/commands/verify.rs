//! `op-dbus verify`: whether the system is as a state file says.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::options::Options;
use super::session::Session;
use super::{DIFFERENCES, print};
use crate::output::{json, tree};
use crate::plugin::builtin::Builtin;
use crate::state_file;
use crate::transaction::plan::mismatches;

/// Compare what is with what is wanted.
#[derive(Args)]
pub struct Verify {
    /// State file, JSON or YAML; `-` reads standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let file = state_file::load(&self.file)?;
        let session = Session::open(options, builtins).await?;
        session.recover().await?;
        let plugins = session.plugins_of(&file)?;
        let ready = session.ready(&file, &plugins, session.reading()).await?;
        let found = mismatches(&ready).await?;
        if self.json {
            let plugins = found
                .iter()
                .map(|(plugin, mismatches)| {
                    Ok(json::PluginMismatches {
                        plugin: plugin.clone(),
                        mismatches: mismatches
                            .iter()
                            .map(json::Difference::of)
                            .collect::<Result<_, _>>()?,
                    })
                })
                .collect::<serde_json::Result<Vec<_>>>()?;
            print(&json::text(&json::Verify {
                version: json::VERSION,
                in_sync: found.is_empty(),
                plugins,
            }))?;
        } else if found.is_empty() {
            print("in sync\n")?;
        } else {
            for (plugin, mismatches) in &found {
                print(&tree::mismatches(plugin, mismatches, options.style()))?;
            }
        }
        Ok(if found.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(DIFFERENCES)
        })
    }
}
