//! `op-dbus plugin replay`: runs a plugin against a recorded trace.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::component;
use crate::commands::options::Options;
use crate::commands::{DIFFERENCES, print};
use crate::conformance::stage::{Simulated, Stage};
use crate::output::escape::escape;
use crate::output::{json, kit};
use crate::plugin::builtin::Builtin;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::trace::difference::Difference;
use crate::trace::replay::replay;
use crate::trace::script::Script;
use crate::transaction::book::Book;

/// Run a plugin against a trace of `apply --record`, without root or network: exit 0 when it does the same, 2 when not.
#[derive(Args)]
pub struct Replay {
    /// The component, or `builtin:NAME`
    file: PathBuf,
    /// What `op-dbus apply --record` wrote
    trace: PathBuf,
    /// The plugin's name in the trace, where that has calls into several and the component calls itself otherwise
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let script = read(&self.trace)?;
        let mut plugin = component::load(&self.file, options, builtins, Limits::default())?;
        // Nothing of it is asked: whatever the plugin asks, the trace answers or the replay ends.
        let nowhere = Simulated::default().stand().await?.backends;
        let book = Arc::new(Book::reading());
        component::introduce(&mut plugin, nowhere.clone(), book.clone()).await?;
        let name = self.plugin.as_deref().unwrap_or(&plugin.name);
        let part = script.part(name)?;
        let mut caller = Caller {
            plugin: &plugin,
            backends: nowhere,
            recorder: book,
            listener: None,
        };
        let found = replay(&mut caller, &part).await?;
        let report = kit::Replay {
            version: json::VERSION,
            plugin: plugin.name.clone(),
            digest: plugin.digest.clone(),
            recorded_digest: part[0].call.digest.clone(),
            calls: part.len(),
            difference: found.as_ref().map(shape),
        };
        if self.json {
            print(&json::text(&report))?;
        } else {
            self.tell(&report, found.as_ref())?;
        }
        Ok(match found {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::from(DIFFERENCES),
        })
    }

    fn tell(&self, report: &kit::Replay, found: Option<&Difference>) -> anyhow::Result<()> {
        let build = match report.digest == report.recorded_digest {
            true => "the same build",
            false => "another build",
        };
        match found {
            None => print(&format!(
                "{}: the same in {} calls ({build} as then)\n",
                escape(&report.plugin),
                report.calls
            )),
            Some(found) => print(&format!(
                "{}: it does not do what it did ({build})\n{found}\n",
                escape(&report.plugin)
            )),
        }
    }
}

fn shape(found: &Difference) -> kit::ReplayDifference {
    kit::ReplayDifference {
        number: found.number,
        what: found.what.clone(),
        path: found.path.clone(),
        expected: found.expected.clone(),
        got: found.got.clone(),
    }
}

fn read(path: &Path) -> anyhow::Result<Script> {
    let shown = || path.display().to_string();
    let file = File::open(path).with_context(shown)?;
    Script::read(BufReader::new(file)).with_context(shown)
}
