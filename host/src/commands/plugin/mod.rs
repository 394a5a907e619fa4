//! `op-dbus plugin`: one file per verb.

mod add;
mod candidate;
mod component;
mod granting;
mod inspect;
mod list;
mod new;
mod precompile;
mod remove;
mod replay;
mod settle;
pub(super) mod store;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::options::Options;
use crate::plugin::builtin::Builtin;
use crate::plugin::compile;

/// Look at plugins, add and remove them, and write them.
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
    /// Try whether a plugin keeps the contract's laws, on a simulated host: exit 0 when it does, 5 when not
    Test(test::Test),
    /// Run a plugin against a trace of `apply --record`: exit 0 when it does the same, 2 when not
    Replay(replay::Replay),
    /// Begin a plugin of your own: a small project that works
    New(new::New),
    /// Write the compiled code of the built-in plugins, to be built into the program
    #[command(hide = true)]
    Precompile {
        /// Directory to write NAME.cwasm files to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Compile the component on standard input, for a process of ours that had better not
    #[command(hide = true)]
    CompileChild {
        /// Bytes of address space
        #[arg(long)]
        memory: u64,
        /// Seconds of a processor's time
        #[arg(long)]
        seconds: u64,
    },
}

impl Plugin {
    /// The exit code of a verb that needs neither configuration nor backends, and must not have them.
    pub(super) fn run_alone(&self) -> Option<ExitCode> {
        match self {
            Self::CompileChild { memory, seconds } => {
                Some(ExitCode::from(compile::child(*memory, *seconds)))
            }
            _ => None,
        }
    }

    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        if let (Self::Add(_) | Self::Remove(_), Some(tenant)) = (self, options.tenant()) {
            bail!(
                "a plugin is added for the host: without --tenant; to give it to tenant {0}, write its component, digest and grant into \
                 [tenants.{0}.plugins.NAME]",
                tenant.name
            );
        }
        match self {
            Self::List(verb) => return Ok(sound(verb.run(options, builtins).await?)),
            Self::Verify(verb) => return Ok(sound(verb.run(options, builtins).await?)),
            Self::Inspect(verb) => verb.run(options, builtins).await?,
            Self::Add(verb) => verb.run(options, builtins).await?,
            Self::Remove(verb) => verb.run(options, builtins).await?,
            Self::Test(verb) => return verb.run(options, builtins).await,
            Self::Replay(verb) => return verb.run(options, builtins).await,
            Self::New(verb) => verb.run(builtins)?,
            Self::Precompile { out } => precompile::run(out, builtins)?,
            Self::CompileChild { .. } => unreachable!("it runs before anything else does"),
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
