//! `op-dbus schema`: what a state file may say.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::options::Options;
use super::print;
use super::session::Session;
use crate::plugin::builtin::Builtin;
use crate::state_file::schema::whole;

/// Print the JSON Schema of a plugin's section, or of a whole state file.
#[derive(Args)]
pub struct Schema {
    /// The plugin; without it, a schema of state files for all plugins
    plugin: Option<String>,
}

impl Schema {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let session = Session::open(options, builtins).await?;
        let mut sections = Vec::new();
        for plugin in session.plugins(self.plugin.as_deref())? {
            let description = session
                .caller(&plugin, session.reading())
                .describe()
                .await?;
            let schema: Value = serde_json::from_str(&description.schema)
                .with_context(|| format!("the schema of plugin {}", plugin.name))?;
            if self.plugin.is_some() {
                print(&format!("{schema:#}\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
            sections.push((plugin.name, schema));
        }
        let whole = whole(sections, super::probes::schema());
        print(&format!("{whole:#}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
