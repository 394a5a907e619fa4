//! Changes of the configuration file by `op-dbus plugin add` and `remove`: written whole or not at all, read back, and noted in the audit log.

use std::path::Path;

use anyhow::{Context, bail};

use super::add::configuration_file;
use crate::commands::built_in_grants;
use crate::commands::options::Options;
use crate::config::component::Component;
use crate::config::edit::{Edit, EditError};
use crate::config::replace::replace;
use crate::config::{Config, noted};
use crate::digest::Digest;
use crate::plugin::builtin::Builtin;
use crate::state_file::Source;
use crate::transaction::journal::Journal;
use crate::transaction::state_dir::StateDir;

/// Changes the configuration file, and returns the configuration that holds from now on.
///
/// # Errors
/// When somebody else has changed it meanwhile, what would come of it is no configuration, or it cannot be written. Then it is as it was.
pub(super) fn rewrite(
    options: &Options,
    builtins: &[Builtin],
    state: &StateDir,
    change: impl FnOnce(&mut Edit) -> Result<(), EditError>,
) -> anyhow::Result<Config> {
    let path = configuration_file(options);
    let origin = options.configuration.origin.as_ref();
    let before = match origin {
        Some(_) => std::fs::read_to_string(&path)
            .with_context(|| format!("the configuration {}", path.display()))?,
        None => String::new(),
    };
    if let Some(origin) = origin
        && Digest::of(before.as_bytes()).hex() != origin.digest
        // An empty file is read as no text at all.
        && !before.trim().is_empty()
    {
        bail!(
            "the configuration {} was changed meanwhile; run the command again",
            path.display()
        );
    }
    let mut edit = Edit::of(&before).with_context(|| path.display().to_string())?;
    change(&mut edit).with_context(|| path.display().to_string())?;
    let text = edit.text();
    let names: Vec<_> = builtins.iter().map(|builtin| builtin.name).collect();
    let source = Source {
        name: format!("{} (as it would be)", path.display()),
        text: text.to_owned(),
    };
    Config::parse(source, &names)?;
    replace(&path, &before, text)
        .with_context(|| format!("the configuration {} is as it was", path.display()))?;
    let configuration = Config::load(Some(&path), &names)?;
    // What became wider was shown before it was decided.
    noted::note(&configuration, state, &built_in_grants(builtins))
        .context("the new configuration holds, and could not be noted in the audit log")?;
    Ok(configuration)
}

/// Where tenants are given a component: `tenants.NAME.plugins.PLUGIN` for each that has this file.
pub(super) fn given_to_tenants(options: &Options, file: &Path) -> Vec<String> {
    let mut given = Vec::new();
    for (tenant, of_tenant) in &options.configuration.tenants {
        for (plugin, config) in &of_tenant.plugins {
            if matches!(&config.component, Some(Component::File(it)) if it == file) {
                given.push(format!("tenants.{tenant}.plugins.{plugin}"));
            }
        }
    }
    given
}

/// Refuses while some namespace, or a tenant, has a transaction of the plugin's that is not over: its undo may need the plugin as it was.
///
/// # Errors
/// Names the journal; when one cannot be read.
pub(super) fn refuse_pending(options: &Options, plugin: &str) -> anyhow::Result<()> {
    for directory in StateDir::all(options.state_dir())? {
        let pending = Journal::pending(&directory)?;
        if pending.iter().any(|it| it.plugin == plugin) {
            bail!(
                "a transaction of {plugin} is not over, and its undo may need the plugin as it is: {}. Finish it in its namespace with \
                 `op-dbus confirm`, `op-dbus rollback` or `op-dbus doctor`",
                directory.join("journal").display()
            );
        }
    }
    // A tenant may have it under another name.
    let pinned = options.configuration.plugins.get(plugin);
    let Some(digest) = pinned.and_then(|it| it.digest).map(|it| it.hex()) else {
        return Ok(());
    };
    for tenant in options.configuration.tenants.keys() {
        let directory = options.state_dir_of(tenant);
        let pending = Journal::pending(&directory)?;
        if pending.iter().any(|it| it.digest == digest) {
            bail!(
                "a transaction of tenant {tenant} with {plugin} is not over, and its undo may need the plugin as it is: {}. Finish it with \
                 `op-dbus --tenant {tenant} confirm`, `rollback` or `doctor`",
                directory.join("journal").display()
            );
        }
    }
    Ok(())
}
