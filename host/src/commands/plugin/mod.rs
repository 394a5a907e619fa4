//! `op-dbus plugin`: one file per verb.

mod add;
mod candidate;
mod granting;
mod inspect;
mod list;
mod precompile;
mod remove;
mod settle;
pub(super) mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::options::Options;
use crate::plugin::builtin::Builtin;

/// Look at plugins, add and remove them.
#[derive(Subcommand)]
pub enum Plugin {
    /// List the plugins, with version, digest, where they come from and who has signed them
    List(list::List),
    /// Show what a component is, says and asks for, without adding it
    Inspect(inspect::Inspect),
    /// Vet a component, pin it, and write it into the configuration with a grant; for one that is there, update it
    Add(add::Add),
    /// Take a plugin out of the configuration, with its grant and its files
    Remove(remove::Remove),
    /// Hold plugins against their pins and signatures, and load them: exit 1 if one fails
    Verify(list::Verify),
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
            Self::List(verb) => return Ok(sound(verb.run(options, builtins).await?)),
            Self::Verify(verb) => return Ok(sound(verb.run(options, builtins).await?)),
            Self::Inspect(verb) => verb.run(options, builtins).await?,
            Self::Add(verb) => verb.run(options, builtins).await?,
            Self::Remove(verb) => verb.run(options, builtins).await?,
            Self::Precompile { out } => precompile::run(out, builtins)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn sound(sound: bool) -> ExitCode {
    match sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
