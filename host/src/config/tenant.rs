//! `[tenants.NAME]`: what the operator says of a tenant.
//!
//! Of what the file says of the host only `[limits]` and the places of state and compiled code hold for a tenant. So nothing that the host is
//! granted is granted to a tenant by an oversight.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::ovsdb::OvsdbConfig;
use super::{Config, NetworkPlugin, PluginConfig, absolute, plugin_problems};
use crate::backends::dbus::BusAddress;
use crate::measure::Period;
use crate::state_file::nearest::hint;
use crate::state_file::{Problem, Span};
use crate::tenant::{Quota, Tenant, TenantName};
use crate::transaction::probes::Probe;
use crate::transaction::state_dir;

/// Where tenants' secrets are read from, by the tenant's name, unless the operator says otherwise.
const SECRETS: &str = "/etc/op-dbus/tenants-secrets";

/// What the operator says of a tenant.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its network namespace: a name as in ip-netns(8), or an absolute path.
    pub netns: String,
    /// The OVSDB server that its plugins may be granted; nothing stands in for it.
    pub ovsdb: OvsdbConfig,
    /// The message bus that its plugins may be granted; nothing stands in for it.
    pub dbus_address: Option<BusAddress>,
    /// Where its secrets are read from.
    pub secrets_dir: Option<PathBuf>,
    /// Through which plugin its network is changed.
    pub network_plugin: Option<NetworkPlugin>,
    /// The plugins that it has, by name.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// How to find out whether its network is healthy after a change, by name.
    pub probes: BTreeMap<String, Probe>,
    /// What it may use.
    pub quota: Quota,
}

/// The section's own shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    #[serde(deserialize_with = "netns")]
    netns: String,
    #[serde(default)]
    ovsdb: OvsdbConfig,
    #[serde(default, deserialize_with = "bus")]
    dbus_address: Option<BusAddress>,
    #[serde(default, deserialize_with = "absolute")]
    secrets_dir: Option<PathBuf>,
    #[serde(default)]
    network_plugin: Option<NetworkPlugin>,
    #[serde(default)]
    plugins: BTreeMap<Spanned<String>, PluginConfig>,
    #[serde(default)]
    probes: BTreeMap<String, Probe>,
    #[serde(default)]
    quota: Quota,
}

fn netns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_path = text.contains('/');
    if matches!(text.as_str(), "" | "." | "..") || text.contains('\0') {
        Err(de::Error::custom(format!(
            "{text:?} is no name of a network namespace"
        )))
    } else if is_path && !text.starts_with('/') {
        Err(de::Error::custom(format!(
            "{text:?} is no absolute path; begin it with /"
        )))
    } else {
        Ok(text)
    }
}

fn bus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BusAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let Ok(address) = BusAddress::from_str(&text);
    Ok(Some(address))
}

/// Sorts out what a file says of tenants; what is wrong goes to `problems`. `builtins` are the names of the built-in plugins.
pub(super) fn read(
    written: BTreeMap<Spanned<TenantName>, Written>,
    builtins: &[&str],
    problems: &mut Vec<Problem>,
) -> BTreeMap<TenantName, TenantConfig> {
    let mut tenants = BTreeMap::new();
    for (name, written) in written {
        let place = Span::new(name.span().start, name.span().end);
        let name = name.into_inner();
        problems.extend(plugin_problems(&written.plugins, builtins));
        problems.extend(unreachable(&name, &written, place));
        let tenant = TenantConfig {
            netns: written.netns,
            ovsdb: written.ovsdb,
            dbus_address: written.dbus_address,
            secrets_dir: written.secrets_dir,
            network_plugin: written.network_plugin,
            plugins: written
                .plugins
                .into_iter()
                .map(|(name, plugin)| (name.into_inner(), plugin))
                .collect(),
            probes: written.probes,
            quota: written.quota,
        };
        tenants.insert(name, tenant);
    }
    tenants
}

/// Grants for a server that the tenant is not given.
fn unreachable(tenant: &TenantName, written: &Written, place: Span) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (plugin, config) in &written.plugins {
        let Some(grant) = &config.grant else { continue };
        let plugin = plugin.get_ref();
        if grant.ovsdb.is_some() && written.ovsdb.remote.is_none() {
            problems.push(
                Problem::at(
                    place,
                    format!("plugin {plugin} of tenant {tenant} is granted OVSDB, and no server is named"),
                )
                .help(format!(
                    "name it: [tenants.{tenant}.ovsdb] remote = \"unix:PATH\"; a tenant does not get this machine's own unasked"
                )),
            );
        }
        if grant.dbus.is_some() && written.dbus_address.is_none() {
            problems.push(
                Problem::at(
                    place,
                    format!("plugin {plugin} of tenant {tenant} is granted D-Bus, and no bus is named"),
                )
                .help(format!(
                    "name it: dbus-address = \"unix:path=PATH\" in [tenants.{tenant}]; a tenant does not get this machine's own unasked"
                )),
            );
        }
    }
    problems
}

impl Config {
    /// What holds for a tenant, in the place of what holds for the host.
    ///
    /// # Errors
    /// There is no tenant of that name; the message names the nearest.
    pub fn of_tenant(&self, name: &str) -> Result<(Self, Tenant), String> {
        let Some((name, tenant)) = self.tenants.get_key_value(name) else {
            let names: Vec<_> = self.tenants.keys().map(TenantName::as_str).collect();
            return Err(match names.is_empty() {
                true => format!(
                    "there is no tenant {name:?}: the configuration has none; write one as [tenants.NAME] with netns = \"…\""
                ),
                false => format!(
                    "there is no tenant {name:?}; {}",
                    hint("tenant", name, &names)
                ),
            });
        };
        let state = self.state_dir.as_deref();
        let state = state.unwrap_or(Path::new(state_dir::DEFAULT_ROOT));
        let secrets = tenant.secrets_dir.clone();
        let secrets = secrets.unwrap_or_else(|| Path::new(SECRETS).join(name.as_str()));
        let config = Self {
            origin: self.origin.clone(),
            state_dir: Some(name.state_under(state)),
            cache_dir: self.cache_dir.clone(),
            secrets_dir: Some(secrets),
            network_plugin: tenant.network_plugin,
            transaction_deadline: Some(Period(
                self.transaction_deadline().min(tenant.quota.transaction.0),
            )),
            limits: self.limits.clone(),
            plugins: tenant.plugins.clone(),
            ovsdb: tenant.ovsdb.clone(),
            trust: self.trust.clone(),
            probes: tenant.probes.clone(),
            tenants: self.tenants.clone(),
        };
        let tenant = Tenant {
            name: name.clone(),
            netns: tenant.netns.clone(),
            dbus_address: tenant.dbus_address.clone(),
            quota: tenant.quota.clone(),
        };
        Ok((config, tenant))
    }
}
