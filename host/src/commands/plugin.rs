//! `op-dbus plugin`: looking at plugins.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;

use super::options::Options;
use super::print;
use super::session::Session;
use crate::plugin::builtin::Builtin;
use crate::transaction::book::Book;

/// Look at plugins.
#[derive(Subcommand)]
pub enum Plugin {
    /// List the plugins, with version, digest and what they are for
    List,
    /// Write the compiled code of the built-in plugins, to be built into the program
    #[command(hide = true)]
    Precompile {
        /// Directory to write NAME.cwasm files to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Plugin {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::List => {
                let session = Session::open(options, builtins).await?;
                for plugin in session.plugins(None)? {
                    let description = session
                        .caller(&plugin, Arc::new(Book::reading()))
                        .describe()
                        .await?;
                    print(&format!(
                        "{} {}  sha256:{}  {}\n",
                        plugin.name,
                        description.version,
                        &plugin.digest[..16],
                        description.summary
                    ))?;
                }
            }
            Self::Precompile { out } => {
                for builtin in builtins {
                    let path = out.join(format!("{}.cwasm", builtin.name));
                    std::fs::write(&path, builtin.compile()?)
                        .with_context(|| path.display().to_string())?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
