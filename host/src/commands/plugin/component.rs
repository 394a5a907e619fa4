//! A plugin by its file, for the verbs that try one out: it needs to be known to no configuration.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use crate::commands::options::Options;
use crate::contract::exports::op_dbus::plugin::state::Description;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::gate::{Backends, Recorder};
use crate::plugin::builtin::Builtin;
use crate::plugin::cache::Cache;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::plugin::loader::Plugin;

/// What stands before the name of a plugin that is part of the program.
const BUILTIN: &str = "builtin:";
/// A component above this is a mistake: compiling it would take minutes.
const LARGEST: u64 = 256 << 20;

/// Loads a component from a file, or one of the program's own by `builtin:NAME`. It is granted nothing yet.
///
/// # Errors
/// When there is none, or it is no plugin.
pub(super) fn load(
    file: &Path,
    options: &Options,
    builtins: &[Builtin],
    limits: Limits,
) -> anyhow::Result<Plugin> {
    let cache = Cache::new(Some(options.cache_dir().to_owned()));
    if let Some(name) = file.to_str().and_then(|file| file.strip_prefix(BUILTIN)) {
        let Some(builtin) = builtins.iter().find(|builtin| builtin.name == name) else {
            let names: Vec<_> = builtins.iter().map(|builtin| builtin.name).collect();
            bail!(
                "there is no built-in plugin {name:?}; there are: {}",
                names.join(", ")
            );
        };
        return Ok(builtin.load(name, &cache, Some(Grant::default()), limits)?);
    }
    let shown = || file.display().to_string();
    let size = std::fs::metadata(file).with_context(shown)?.len();
    ensure!(
        size <= LARGEST,
        "{} has {size} bytes; a plugin has {LARGEST} at most",
        shown()
    );
    let bytes = std::fs::read(file).with_context(shown)?;
    Ok(Plugin::compiled(
        &shown(),
        &bytes,
        Digest::of(&bytes),
        &cache,
        Grant::default(),
        limits,
    )?)
}

/// Lets a plugin describe itself, and names it as it does.
///
/// # Errors
/// When it cannot.
pub(super) async fn introduce(
    plugin: &mut Plugin,
    backends: Backends,
    recorder: Arc<dyn Recorder>,
) -> anyhow::Result<Description> {
    let caller = Caller {
        plugin,
        backends,
        recorder,
        listener: None,
    };
    let description = caller.describe().await?;
    plugin.name = description.name.clone();
    Ok(description)
}
