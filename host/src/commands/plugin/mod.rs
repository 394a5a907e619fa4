//! `op-dbus plugin`: one file per verb.

mod component;
mod list;
mod precompile;
mod replay;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::options::Options;
use crate::plugin::builtin::Builtin;

/// Look at plugins.
#[derive(Subcommand)]
pub enum Plugin {
    /// List the plugins, with version, digest and what they are for
    List,
    /// Try whether a plugin keeps the contract's laws, on a simulated host: exit 0 when it does, 5 when not
    Test(test::Test),
    /// Run a plugin against a trace of `apply --record`: exit 0 when it does the same, 2 when not
    Replay(replay::Replay),
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
            Self::Test(verb) => return verb.run(options, builtins).await,
            Self::Replay(verb) => return verb.run(options, builtins).await,
            Self::Precompile { out } => precompile::run(out, builtins)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
