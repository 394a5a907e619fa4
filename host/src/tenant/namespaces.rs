//! Who lives in which network namespace: a tenant in one of its own, nobody else in it.
//!
//! Namespaces are told apart by what was opened, not by what they are called: a name, a path or a bind mount may lead to any of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::bail;

use super::{Tenant, TenantName};
use crate::backends::netlink::Place;
use crate::config::tenant::TenantConfig;
use crate::plugin::failure::to_error;

/// Checks the namespace that a command has opened and will work in: for `tenant`, or for the host where there is none.
///
/// # Errors
/// A tenant is about to work in the host's namespace or in another tenant's; or the host in a tenant's, past that one's journal.
pub fn check(
    place: &Place,
    tenant: Option<&Tenant>,
    tenants: &BTreeMap<TenantName, TenantConfig>,
) -> anyhow::Result<()> {
    let own = tenant.map(|tenant| &tenant.name);
    if let Some(tenant) = tenant
        && is_hosts(place)?
    {
        let (name, netns) = (&tenant.name, &tenant.netns);
        bail!(
            "tenant {name}: network namespace {netns} is the host's own; a tenant gets another one: `ip netns add {name}`, and \
             netns = \"{name}\" in [tenants.{name}]"
        );
    }
    for (name, other) in tenants.iter().filter(|(name, _)| Some(*name) != own) {
        // Where there is none of that name, nobody lives in it.
        let shared =
            Place::open(Some(&other.netns)).is_ok_and(|other| other.inode() == place.inode());
        match (shared, tenant) {
            (false, _) => {}
            (true, Some(tenant)) => bail!(
                "tenant {}: network namespace {} is also that of tenant {name} ({}); give each one of its own",
                tenant.name,
                tenant.netns,
                other.netns
            ),
            (true, None) => bail!(
                "this network namespace is that of tenant {name}, whose journal and quotas are its own: say --tenant {name}"
            ),
        }
    }
    Ok(())
}

/// Whether it is the one that this process lives in, or the first process does.
fn is_hosts(place: &Place) -> anyhow::Result<bool> {
    let own = Place::open(None).map_err(to_error)?;
    // Unreadable for who lacks CAP_SYS_PTRACE, as in some containers: then the first process's is not in reach either.
    let first = fs::metadata("/proc/1/ns/net");
    Ok(own.inode() == place.inode() || first.is_ok_and(|first| first.ino() == place.inode()))
}
