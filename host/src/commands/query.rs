//! `op-dbus query`: what is.

use std::process::ExitCode;

use clap::Args;

use super::options::Options;
use super::session::Session;
use super::talk::say;
use super::{print, report};
use crate::output::{json, tree};
use crate::plugin::builtin::Builtin;
use crate::{progress, timing};

/// Show what is.
#[derive(Args)]
pub struct Query {
    /// Only this plugin's state
    #[arg(long, value_name = "PLUGIN")]
    plugin: Option<String>,
    /// Only these interfaces, whole; implies the plugin `net`
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Print JSON: a state file with what is only read beside it
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let session = Session::open(options, builtins).await?;
        timing::took("open", options.started);
        session.recover().await?;
        let interfaces: Vec<_> = self
            .interface
            .iter()
            .map(|name| serde_json::json!({ "name": name }))
            .collect();
        let (plugin, within) = if interfaces.is_empty() {
            (self.plugin.as_deref(), None)
        } else {
            let within = serde_json::json!({ "interfaces": interfaces });
            (
                Some(self.plugin.as_deref().unwrap_or("net")),
                Some(within.to_string()),
            )
        };
        let book = session.reading();
        let mut sections = Vec::new();
        let names = match plugin {
            Some(name) => vec![name],
            None => session.default_plugins().await?,
        };
        let mut all = true;
        for name in names {
            let asking = async {
                let loaded = session.plugin(name)?;
                timing::took("start", options.started);
                progress::phase("reading");
                let caller = session.caller(&loaded, book.clone());
                anyhow::Ok((name.to_owned(), caller.query(within.as_ref()).await?))
            };
            match asking.await {
                Ok(section) => sections.push(section),
                // One that does not load, or may see nothing, keeps the others from nothing.
                Err(error) if plugin.is_none() => {
                    say(&report::error(&error, options.talk_style()));
                    all = false;
                }
                Err(error) => return Err(error),
            }
        }
        if self.json {
            let plugins = &sections;
            print(&json::Query { plugins }.text())?;
        } else {
            for (name, state) in &sections {
                print(&tree::section(name, state, options.style()))?;
            }
        }
        timing::took("total", options.started);
        Ok(match all {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}
