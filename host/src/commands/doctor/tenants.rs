//! Those who share this host.

use super::Findings;
use crate::backends::netlink::Place;
use crate::commands::options::Options;
use crate::plugin::failure::describe;
use crate::tenant::{Tenant, namespaces};
use crate::transaction::room;

/// A state directory as full as this, in percent of its quota, soon takes no more.
const NEARLY_FULL: u64 = 90;

/// All tenants of the configuration; one of them, when that is worked for.
pub fn all(options: &Options, findings: &mut Findings) {
    if let Some(tenant) = options.tenant() {
        one(tenant, options, findings);
        return;
    }
    let configuration = &options.configuration;
    for name in configuration.tenants.keys() {
        if let Ok((_, tenant)) = configuration.of_tenant(name.as_str()) {
            one(&tenant, options, findings);
        }
    }
}

fn one(tenant: &Tenant, options: &Options, findings: &mut Findings) {
    let tenants = &options.configuration.tenants;
    let name = &tenant.name;
    let place = match Place::open(Some(&tenant.netns)) {
        Ok(place) => place,
        Err(failure) => {
            findings.fail(
                "tenant",
                format!("{name}: {}", describe(&failure)),
                "make it with `ip netns add`, or name another",
            );
            return;
        }
    };
    if let Err(error) = namespaces::check(&place, Some(tenant), tenants) {
        findings.fail("tenant", format!("{error:#}"), "give it one of its own");
        return;
    }
    let used = match room::size(&options.state_dir_of(name)) {
        Ok(used) => used,
        Err(error) => {
            findings.fail(
                "tenant",
                format!("{name}: its state directory: {error}"),
                "look at the file system",
            );
            return;
        }
    };
    let quota = tenant.quota.state;
    let plugins: Vec<_> = tenants[name].plugins.keys().map(String::as_str).collect();
    let found = format!(
        "{name}: network namespace {}, plugins {}, {} KiB of {quota} used",
        tenant.netns,
        match plugins.is_empty() {
            true => "none".to_owned(),
            false => plugins.join(", "),
        },
        used >> 10
    );
    if plugins.is_empty() {
        let advice = format!("[tenants.{name}.plugins.NAME] in the configuration gives it one");
        findings.warn("tenant", found, &advice);
    } else if used * 100 >= quota.0 as u64 * NEARLY_FULL {
        findings.warn(
            "tenant",
            found,
            "delete checkpoints, move rotated audit logs away, or raise its quota `state`",
        );
    } else {
        findings.ok("tenant", found);
    }
}
