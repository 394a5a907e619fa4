//! The configuration file: what the operator sets once, for all commands.
//!
//! # Layout
//! - [`Config`]: what it says. [`component`]: where a plugin comes from. [`limits`]: what it may use.
//! - [`ovsdb`]: the way to Open vSwitch's database. [`tenant`]: what it says of a tenant, and what holds for one.
//! - [`trust`]: whose signatures it needs. [`edit`], [`render`], [`replace`](mod@replace): changes of the file itself.
//! - [`error`]: what is wrong, with its line underlined. [`noted`](mod@noted): loads in the audit log.
//!
//! ```toml
//! state-dir = "/var/lib/op-dbus"
//! network-plugin = "auto"             # or "nm", "netlink"
//! transaction-deadline = "15m"        # then it is undone
//!
//! [limits]                            # of every plugin
//! memory = "512 MiB"
//! deadline = "2m"
//!
//! [plugins.net.grant.netlink]         # in place of the built-in grant: what is not named is denied
//! see = ["*"]
//! change = ["vmbr*"]
//!
//! [plugins.net.limits]                # of this one
//! deadline = "30s"
//!
//! [plugins.edge]                      # a plugin of somebody else's; without a grant it reaches nothing
//! component = "/var/lib/op-dbus/plugins/edge-2cf24dba5fb0a30e.wasm"
//! digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
//!
//! [ovsdb]
//! remote = "ssl:192.0.2.9:6640"
//! private-key = "/etc/op-dbus/ovsdb/key.pem"
//! certificate = "/etc/op-dbus/ovsdb/certificate.pem"
//! ca-cert = "/etc/op-dbus/ovsdb/authority.pem"
//!
//! [probes.uplink]
//! gateway = "ipv4"
//!
//! [tenants.blue]                      # see `tenant`
//! netns = "blue"
//! [tenants.blue.plugins.net]
//! ```

pub mod component;
pub mod edit;
pub mod error;
pub mod limits;
pub mod noted;
pub mod ovsdb;
pub mod render;
pub mod replace;
pub mod tenant;
pub mod trust;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::guarded::is_guarded;
use crate::measure::Period;
use crate::plugin::limits::Limits;
use crate::state_file::{Problem, Source, Span, StateFileError, read_text};
use crate::tenant::TenantName;
use crate::transaction::probes::Probe;
use crate::trust::Trust;
use component::Component;
use error::ConfigError;
use limits::SomeLimits;
use ovsdb::OvsdbConfig;
use tenant::TenantConfig;

/// Where the configuration is looked for unless the command line says otherwise. It may be missing.
pub const DEFAULT_FILE: &str = "/etc/op-dbus/op-dbus.toml";

/// Through which plugin the host's network is changed where a state file leaves that open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPlugin {
    /// NetworkManager if it owns its name on the bus, netlink otherwise
    #[default]
    Auto,
    /// The plugin `networkmanager`
    Nm,
    /// The plugin `net`
    Netlink,
}

/// What the operator says of one plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginConfig {
    /// Where it comes from; without it, the built-in plugin of its name. A file takes the place of a built-in plugin of the same name.
    pub component: Option<Component>,
    /// What its file must be.
    pub digest: Option<Digest>,
    /// What it may reach, in place of what a built-in plugin is granted under its own name. What is not named is denied.
    pub grant: Option<Grant>,
    /// What it may use, where that differs from `[limits]`.
    pub limits: SomeLimits,
}

/// Which file was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the operator named it.
    pub file: PathBuf,
    /// SHA-256 of its content, in hexadecimal.
    pub digest: String,
}

/// What a configuration file says. Options of the command line come before it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file; none where the default one is missing.
    pub origin: Option<Origin>,
    /// Where journal, checkpoints and audit log are kept.
    pub state_dir: Option<PathBuf>,
    /// Where compiled plugins are kept.
    pub cache_dir: Option<PathBuf>,
    /// Where secrets are read from.
    pub secrets_dir: Option<PathBuf>,
    /// Through which plugin the host's network is changed.
    pub network_plugin: Option<NetworkPlugin>,
    /// How long a transaction may take, from its first change to its end.
    pub transaction_deadline: Option<Period>,
    /// What every plugin may use, where that differs from the program's own limits.
    pub limits: SomeLimits,
    /// What the operator says of single plugins, by name.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// Where Open vSwitch's database server is.
    pub ovsdb: OvsdbConfig,
    /// How to find out whether the host is healthy after a change, by name.
    pub probes: BTreeMap<String, Probe>,
    /// Those who share this host, by name.
    pub tenants: BTreeMap<TenantName, TenantConfig>,
    /// Whose signatures plugins from files need.
    pub trust: Trust,
}

/// The file's own shape.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(deserialize_with = "absolute")]
    state_dir: Option<PathBuf>,
    #[serde(deserialize_with = "absolute")]
    cache_dir: Option<PathBuf>,
    #[serde(deserialize_with = "absolute")]
    secrets_dir: Option<PathBuf>,
    network_plugin: Option<NetworkPlugin>,
    transaction_deadline: Option<Period>,
    limits: SomeLimits,
    plugins: BTreeMap<Spanned<String>, PluginConfig>,
    ovsdb: OvsdbConfig,
    probes: BTreeMap<String, Probe>,
    tenants: BTreeMap<Spanned<TenantName>, tenant::Written>,
    trust: trust::Written,
}

/// A path that means the same wherever a command is started.
fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(de::Error::custom(format!(
            "{path:?} is no absolute path; begin it with /"
        )))
    }
}

/// What is wrong with the tables of plugins.
fn plugin_problems(
    sections: &BTreeMap<Spanned<String>, PluginConfig>,
    builtins: &[&str],
) -> Vec<Problem> {
    let problems = sections.iter().filter_map(|(name, plugin)| {
        let place = Span::new(name.span().start, name.span().end);
        component::problem(place, name.get_ref(), plugin, builtins)
    });
    problems.collect()
}

impl Config {
    /// Loads `file`, or the default one if it is there. `plugins` are the names that a section may be for.
    ///
    /// # Errors
    /// When the file cannot be read, somebody else could write it, or what it says is wrong; when `file` is missing.
    pub fn load(file: Option<&Path>, builtins: &[&str]) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let read = |cause| ConfigError::Read {
            path: path.to_owned(),
            cause,
        };
        let opened = match File::open(path) {
            Err(error) if file.is_none() && error.kind() == ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            opened => opened.map_err(read)?,
        };
        let meta = opened.metadata().map_err(read)?;
        if !is_guarded(&meta) {
            return Err(ConfigError::Exposed(path.to_owned()));
        }
        let name = path.display().to_string();
        let source = match read_text(name.clone(), opened) {
            Ok(source) => source,
            // Nothing is set: that is a configuration.
            Err(StateFileError::Empty { .. }) => Source {
                name,
                text: String::new(),
            },
            Err(error) => return Err(ConfigError::NoText(error)),
        };
        let origin = Origin {
            file: path.to_owned(),
            digest: Digest::of(source.text.as_bytes()).hex(),
        };
        Ok(Self {
            origin: Some(origin),
            ..Self::parse(source, builtins)?
        })
    }

    /// What a text says.
    ///
    /// # Errors
    /// What is wrong with it, at its place.
    pub fn parse(source: Source, builtins: &[&str]) -> Result<Self, ConfigError> {
        let source = Arc::new(source);
        let written: Written = toml::from_str(&source.text)
            .map_err(|error| ConfigError::wrong(&source, vec![error::problem(&error)]))?;
        let mut problems = plugin_problems(&written.plugins, builtins);
        let tenants = tenant::read(written.tenants, builtins, &mut problems);
        let trust = written.trust.resolve().unwrap_or_else(|found| {
            problems.extend(found);
            Trust::default()
        });
        if !problems.is_empty() {
            return Err(ConfigError::wrong(&source, problems));
        }
        Ok(Self {
            origin: None,
            state_dir: written.state_dir,
            cache_dir: written.cache_dir,
            secrets_dir: written.secrets_dir,
            network_plugin: written.network_plugin,
            transaction_deadline: written.transaction_deadline,
            limits: written.limits,
            plugins: written
                .plugins
                .into_iter()
                .map(|(name, plugin)| (name.into_inner(), plugin))
                .collect(),
            ovsdb: written.ovsdb,
            probes: written.probes,
            tenants,
            trust,
        })
    }

    /// How long a transaction may take: a quarter of an hour, unless the operator says otherwise. Each call into a plugin has a deadline of
    /// its own; this one ends what makes many calls.
    pub fn transaction_deadline(&self) -> Duration {
        let period = self.transaction_deadline.map(|period| period.0);
        period.unwrap_or(Duration::from_secs(15 * 60))
    }

    /// What a plugin is granted; nothing where the configuration does not say.
    pub fn grant(&self, plugin: &str) -> Option<Grant> {
        self.plugins.get(plugin)?.grant.clone()
    }

    /// What each plugin is granted: by the configuration, or else, if it is built in and not replaced, by what it has `otherwise`.
    pub fn grants(&self, otherwise: &[(&str, Grant)]) -> BTreeMap<String, Grant> {
        let built_in = otherwise
            .iter()
            .filter(|(name, _)| self.component(name).is_none())
            .map(|(name, grant)| ((*name).to_owned(), grant.clone()));
        let mut grants: BTreeMap<_, _> = built_in.collect();
        let configured = self.plugins.iter();
        grants.extend(configured.filter_map(|(name, it)| Some((name.clone(), it.grant.clone()?))));
        grants
    }

    /// Where a plugin comes from, where the configuration says so.
    pub fn component(&self, plugin: &str) -> Option<&Component> {
        self.plugins.get(plugin)?.component.as_ref()
    }

    /// What a plugin may use: its own limits before those of all, and those before the program's.
    pub fn limits(&self, plugin: &str) -> Limits {
        let of_all = self.limits.over(Limits::default());
        match self.plugins.get(plugin) {
            Some(plugin) => plugin.limits.over(of_all),
            None => of_all,
        }
    }
}
