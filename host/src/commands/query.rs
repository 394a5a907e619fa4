//! `op-dbus query`: what is.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::value::RawValue;

use super::options::Options;
use super::print;
use super::session::Session;
use crate::output::{json, tree};
use crate::plugin::builtin::Builtin;
use crate::timing;
use crate::transaction::book::Book;

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
        let book = Arc::new(Book::reading());
        let mut sections = Vec::new();
        for plugin in session.plugins_here(plugin).await? {
            timing::took("start", options.started);
            let state = session
                .caller(&plugin, book.clone())
                .query(within.as_ref())
                .await?;
            sections.push((plugin.name, state));
        }
        if self.json {
            let sections = sections
                .into_iter()
                .map(|(name, state)| Ok((name, RawValue::from_string(state)?)))
                .collect::<serde_json::Result<Vec<_>>>()?;
            let plugins = json::Sections(sections);
            print(&json::text(&json::Query {
                version: json::VERSION,
                plugins,
            }))?;
        } else {
            for (name, state) in &sections {
                print(&tree::section(name, state, options.style()))?;
            }
        }
        timing::took("total", options.started);
        Ok(ExitCode::SUCCESS)
    }
}
