//! `op-dbus plugin list` and `plugin verify`: the plugins, where they come from, and whether they are what was pinned.

use clap::Args;

use super::candidate::describe;
use super::inspect::standing;
use super::store;
use crate::commands::options::Options;
use crate::commands::session::Session;
use crate::commands::{print, report};
use crate::config::component::Component;
use crate::output::escape::escape;
use crate::output::{json, plugins};
use crate::plugin::builtin::Builtin;
use crate::plugin::source;
use crate::trust::Found;

/// List the plugins, with version, digest, where they come from and who has signed them.
#[derive(Args)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Hold plugins against their pins and signatures, and load them: exit 1 if one fails.
#[derive(Args)]
pub struct Verify {
    /// Only this one
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<bool> {
        let session = Session::open(options, builtins).await?;
        let names = session.plugin_names();
        show(&session, options, &names, self.json).await
    }
}

impl Verify {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<bool> {
        let session = Session::open(options, builtins).await?;
        let names = match &self.name {
            Some(name) => vec![name.as_str()],
            None => session.plugin_names(),
        };
        show(&session, options, &names, self.json).await
    }
}

/// Shows each, and says whether all load.
async fn show(
    session: &Session<'_>,
    options: &Options,
    names: &[&str],
    as_json: bool,
) -> anyhow::Result<bool> {
    let mut entries = Vec::new();
    for name in names {
        entries.push(entry(session, options, name).await?);
    }
    let sound = entries.iter().all(|(entry, _)| entry.failed.is_none());
    if as_json {
        print(&json::text(&plugins::Listed {
            version: json::VERSION,
            plugins: entries.into_iter().map(|(entry, _)| entry).collect(),
        }))?;
        return Ok(sound);
    }
    for (entry, found) in &entries {
        if let Some(failed) = &entry.failed {
            let failed = anyhow::anyhow!("{}: {failed}", entry.name);
            crate::commands::talk::say(&report::error(&failed, options.talk_style()));
            continue;
        }
        let (Some(plugin), Some(digest)) = (&entry.plugin, &entry.digest) else {
            continue;
        };
        let source = entry.source.as_ref().unwrap_or(&entry.component);
        let standing = match entry.component.starts_with("builtin:") {
            true => String::new(),
            false => format!("  {}", standing(found)),
        };
        print(&format!(
            "{} {}  {}  {}{}  {}\n",
            entry.name,
            escape(&plugin.version),
            &digest[..23],
            escape(source),
            escape(&standing),
            escape(&plugin.summary)
        ))?;
    }
    Ok(sound)
}

/// What there is to say of a plugin. That it does not load is something to say.
async fn entry(
    session: &Session<'_>,
    options: &Options,
    name: &str,
) -> anyhow::Result<(plugins::Entry, Vec<Found>)> {
    let configuration = &options.configuration;
    let component = configuration.component(name);
    let file = match component {
        Some(Component::File(path)) => Some(path),
        _ => None,
    };
    let mut entry = plugins::Entry {
        name: name.to_owned(),
        component: match component {
            Some(Component::File(path)) => path.display().to_string(),
            Some(Component::Builtin(builtin)) => format!("builtin:{builtin}"),
            None => format!("builtin:{name}"),
        },
        source: None,
        digest: None,
        plugin: None,
        signatures: Vec::new(),
        failed: None,
    };
    let mut found = Vec::new();
    if let Some(path) = file {
        let record = store::record(path).ok().flatten();
        entry.source = record.map(|record| record.source);
        let pin = configuration.plugins.get(name).and_then(|it| it.digest);
        if let Some(pin) = pin {
            entry.digest = Some(pin.to_string());
            match source::read_vetted(path, pin, &configuration.trust) {
                Ok((_, signatures)) => found = signatures,
                Err(why) => {
                    entry.failed = Some(why.to_string());
                    return Ok((entry, found));
                }
            }
        }
    }
    entry.signatures = found.iter().map(plugins::Signature::of).collect();
    match session.plugin(name) {
        Ok(plugin) => {
            entry.digest = Some(format!("sha256:{}", plugin.digest));
            match describe(session, &plugin).await {
                Ok(description) => entry.plugin = Some(plugins::Plugin::of(&description)),
                Err(error) => entry.failed = Some(format!("{error:#}")),
            }
        }
        // A name that there is not is the operator's mistake, and no finding.
        Err(error) if component.is_none() && !session.plugin_names().contains(&name) => {
            return Err(error);
        }
        Err(error) => entry.failed = Some(format!("{error:#}")),
    }
    Ok((entry, found))
}
