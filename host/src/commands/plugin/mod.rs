//! `op-dbus plugin`: one file per verb.

mod list;
mod new;
mod precompile;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::options::Options;
use crate::plugin::builtin::Builtin;

/// Look at plugins, and write them.
#[derive(Subcommand)]
pub enum Plugin {
    /// List the plugins, with version, digest and what they are for
    List,
    /// Begin a plugin of your own: a small project that works
    New(new::New),
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
            Self::List => list::run(options, builtins).await?,
            Self::New(verb) => verb.run(builtins)?,
            Self::Precompile { out } => precompile::run(out, builtins)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
