//! Configuration, directories, plugins, and what earlier transactions left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::statvfs;

use super::Findings;
use crate::commands::options::Options;
use crate::commands::plugin::store;
use crate::commands::session::Session;
use crate::config::DEFAULT_FILE;
use crate::config::component::Component;
use crate::gate::grant::beyond;
use crate::plugin::builtin::Builtin;
use crate::plugin::failure::PluginError;
use crate::transaction::journal::Journal;
use crate::transaction::lock::{Lock, LockError};
use crate::transaction::state_dir::{self, StateDir};

/// Below this an apply may be stopped for want of space: a journal sets half a megabyte aside, an audit log grows.
const LITTLE: u64 = 64 << 20;
/// Below this none can begin.
const TOO_LITTLE: u64 = 2 << 20;

/// Which configuration holds, and which built-in grants it changes.
pub fn configuration(options: &Options, builtins: &[Builtin], findings: &mut Findings) {
    let configuration = &options.configuration;
    let Some(origin) = &configuration.origin else {
        findings.ok(
            "configuration",
            format!("there is no {DEFAULT_FILE}: the defaults hold"),
        );
        return;
    };
    let mut found = origin.file.display().to_string();
    let tenant = options.tenant();
    for builtin in builtins {
        let replaced = configuration.component(builtin.name).is_some();
        if let Some(granted) = configuration.grant(builtin.name).filter(|_| !replaced) {
            let own = match tenant {
                Some(tenant) => builtin.grant_in_tenant(tenant.dbus_address.as_ref()),
                None => builtin.grant(),
            };
            let own = serde_json::to_string(&own).unwrap_or_default();
            let granted = serde_json::to_string(&granted).unwrap_or_default();
            if own != granted {
                found.push_str(&format!(
                    "\nplugin {} is granted {granted}\ninstead of {own}",
                    builtin.name
                ));
            }
        }
    }
    findings.ok("configuration", found);
}

/// The directories: there, ours alone, writable, and with room.
pub fn directories(options: &Options, findings: &mut Findings) {
    let state = options.state_dir();
    match writable(state) {
        Err(error) => findings.fail(
            "state directory",
            format!("{}: {error}", state.display()),
            "run it as root, or choose another with --state-dir; `chmod 700` it if others may write to it",
        ),
        Ok(()) => match room(state) {
            Err(error) => findings.fail(
                "state directory",
                format!("{}: {error}", state.display()),
                "look at the file system",
            ),
            Ok(room) => {
                let found = format!("{}, {} MiB free", state.display(), room >> 20);
                match room {
                    0..TOO_LITTLE => {
                        findings.fail("state directory", found, "make room: no apply can begin");
                    }
                    TOO_LITTLE..LITTLE => {
                        findings.warn("state directory", found, "make room before it runs out");
                    }
                    _ => findings.ok("state directory", found),
                }
            }
        },
    }
    let secrets = options.secrets_dir();
    let exposed: Vec<_> = fs::read_dir(secrets)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let meta = fs::metadata(entry.path());
            meta.is_ok_and(|meta| meta.is_file() && meta.mode() & 0o077 != 0)
        })
        .map(|entry| entry.path().display().to_string())
        .collect();
    match exposed.is_empty() {
        true if secrets.is_dir() => findings.ok("secrets", secrets.display().to_string()),
        true => findings.ok("secrets", format!("there is no {}", secrets.display())),
        false => findings.warn(
            "secrets",
            format!("others may read {}", exposed.join(", ")),
            "chmod 600 them: until then they are not used",
        ),
    }
}

/// Makes the directory as an apply would, and writes into it.
fn writable(directory: &Path) -> std::io::Result<()> {
    state_dir::create(directory)?;
    let file = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(file.path(), b"doctor")
}

/// Bytes that are free for us.
fn room(directory: &Path) -> std::io::Result<u64> {
    let found = statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Lock, journal and audit log. What a dead process left is undone on the way.
pub async fn transactions(session: &Session<'_>, findings: &mut Findings) {
    match session.lock_and_recover().await {
        Ok((state, _lock, None)) => {
            findings.ok("transactions", "none is open, and none was left behind");
            audit(&state.audit(), findings);
        }
        Ok((state, _lock, Some(recovered))) => {
            let left = recovered.undone.incomplete.len();
            match left {
                0 => findings.warn(
                    "transactions",
                    "one that a dead process left was undone: the network is as it was before it",
                    "nothing is left to do; `op-dbus audit show --kind recovery` lists such cases",
                ),
                _ => findings.fail(
                    "transactions",
                    format!("one that a dead process left was undone, but for {left} objects"),
                    "look at the objects listed above",
                ),
            }
            audit(&state.audit(), findings);
        }
        Err(error) => match error.downcast_ref::<LockError>() {
            Some(LockError::Held(_) | LockError::Awaiting(_) | LockError::HeldByUnknown(_)) => {
                findings.warn(
                    "transactions",
                    error.to_string(),
                    "run doctor again after it",
                );
            }
            _ => findings.fail(
                "transactions",
                format!("{error:#}"),
                "look at the network, and at the file named",
            ),
        },
    }
    let Ok(state) = session.state_dir() else {
        return;
    };
    if let Err(error) = Lock::holder(&state) {
        findings.fail("lock", error.to_string(), "look at the file system");
    }
    for directory in StateDir::all(state.root()).unwrap_or_default() {
        if directory != state.path() {
            of_another(&directory, findings);
        }
    }
}

/// What is left in the directory of another network namespace. Whether that still exists cannot be told from here.
fn of_another(directory: &Path, findings: &mut Findings) {
    let place = directory.display();
    match Journal::pending(directory) {
        Ok(plugins) if plugins.is_empty() => {}
        Ok(plugins) if Lock::is_free(&directory.join("lock")) => {
            let names: Vec<&str> = plugins.iter().map(|it| it.plugin.as_str()).collect();
            findings.fail(
                "transactions",
                format!(
                    "{place} holds an unfinished one of {}, of another network namespace",
                    names.join(", ")
                ),
                "`op-dbus --netns NAME doctor` undoes it while that namespace is there. If it went with a restart, so did its links; look at \
                 what was changed in Open vSwitch and NetworkManager, then move the file `journal` away",
            );
        }
        Ok(_) => {}
        Err(error) => findings.fail(
            "transactions",
            error.to_string(),
            "look at the network, and at the file named",
        ),
    }
}

fn audit(directory: &Path, findings: &mut Findings) {
    match crate::audit::verify(directory) {
        Ok(verified) => findings.ok("audit log", format!("{} records in order", verified.count)),
        Err(error) => findings.fail(
            "audit log",
            error.to_string(),
            "somebody has changed it, or the disk has: compare it with a copy elsewhere",
        ),
    }
}

/// Whether the plugins load: those from files are held against their pins.
pub fn plugins(session: &Session<'_>, findings: &mut Findings) {
    let mut loaded = Vec::new();
    for name in session.plugin_names() {
        match session.plugin(name) {
            Ok(plugin) => loaded.push(plugin.name),
            Err(error) => findings.fail("plugins", format!("{error:#}"), advice(&error)),
        }
    }
    if !loaded.is_empty() {
        findings.ok("plugins", loaded.join(", "));
    }
}

/// Whether what is granted is no more than what was decided when a plugin was added.
pub fn grants(options: &Options, findings: &mut Findings) {
    let configuration = &options.configuration;
    for (name, plugin) in &configuration.plugins {
        let Some(Component::File(path)) = &plugin.component else {
            continue;
        };
        let record = match store::record(path) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(error) => {
                findings.warn(
                    "grants",
                    format!("the record beside {}: {error}", path.display()),
                    "add the plugin anew with `op-dbus plugin add`",
                );
                continue;
            }
        };
        let granted = plugin.grant.clone().unwrap_or_default();
        let wider = beyond(&granted, &record.granted);
        if !wider.is_empty() {
            findings.warn(
                "grants",
                format!(
                    "plugin {name} is granted more than when it was added on {}:\n{}",
                    record.time,
                    wider.join("\n")
                ),
                "if that is meant, add it anew with `op-dbus plugin add`; otherwise narrow it in the configuration",
            );
        }
    }
}

fn advice(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref() {
        Some(PluginError::Source { .. }) => "until then this plugin is not loaded; all others work",
        _ => "the component is damaged, or the limits of the configuration are too small for it",
    }
}
