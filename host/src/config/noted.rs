//! Loads of the configuration in the audit log: a record whenever its content is not what it was the last time.

use std::fs;
use std::io;

use serde_json::json;

use super::Config;
use crate::audit::{Entry, Kind};
use crate::transaction::record::Who;
use crate::transaction::state_dir::{StateDir, write_durably};

/// What stands for a configuration that is not there.
const NONE: &str = "none";

/// Puts the load of `config` into the audit log, unless the log says already that this content is in force.
///
/// # Errors
/// When the log cannot be written. Then nothing may be done under this configuration.
pub fn note(config: &Config, state: &StateDir) -> io::Result<()> {
    let remembered = state.root().join("configuration");
    let before = match fs::read_to_string(&remembered) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => NONE.to_owned(),
        Err(error) => return Err(error),
    };
    let digest = config.origin.as_ref().map_or(NONE, |origin| &origin.digest);
    if digest == before {
        return Ok(());
    }
    let summary = match &config.origin {
        Some(origin) => format!("loaded {}, sha256 {digest}", origin.file.display()),
        None => "there is no configuration any more".to_owned(),
    };
    let grants: serde_json::Map<_, _> = config
        .plugins
        .iter()
        .filter_map(|(name, plugin)| Some((name.clone(), json!(plugin.grant.as_ref()?))))
        .collect();
    let components: serde_json::Map<_, _> = config
        .plugins
        .iter()
        .filter_map(|(name, plugin)| Some((name.clone(), json!(plugin.digest?))))
        .collect();
    let log = state.audit_log()?;
    log.append(&Entry {
        kind: Kind::Configuration,
        who: Who::current(),
        plugin: None,
        transaction: None,
        summary,
        detail: json!({"digest": digest, "before": before, "grants": grants, "components": components}),
    })?;
    log.sync()?;
    // Last: should this process die in between, the next one notes the same load once more.
    write_durably(&remembered, format!("{digest}\n").as_bytes())
}
