//! Carrying out a change of bridges and ports: one transaction, then waiting for ovs-vswitchd and looking at what became of it.

use std::collections::BTreeSet;

use op_dbus_plugin::netlink::{self as nl, LinkSelector};
use op_dbus_plugin::{BackendError, Failure, FailureCode, ovsdb};
use serde_json::Value;

use super::read::{Rows, Scope};
use super::{DATABASE, change, shown};
use crate::compare::same;
use crate::section::{Interface, LinkType, OvsDb, Port, Section, TextMap};
use crate::step::tree;

/// Carries out a change.
///
/// # Errors
/// `conflict` where the rows are no longer as the plan saw them; what the server answered; `unavailable` where ovs-vswitchd does not run;
/// `refused` with ovs-vswitchd's words where it cannot have an interface.
pub fn carry_out(before: &Section, after: &Section) -> Result<(), Failure> {
    let scope = scope(before, after);
    let rows = Rows::within(&scope)?;
    unchanged(&rows, before, after)?;
    let operations = change::operations(&rows, after);
    if !operations.is_empty() {
        ovsdb::transact(DATABASE, &Value::Array(operations).to_string())?;
    }
    if after.interfaces().is_empty() {
        // Nothing that ovs-vswitchd acts upon at once.
        return Ok(());
    }
    ovsdb::settle(DATABASE)?;
    let now = Rows::within(&scope)?;
    is_well(&now, &rows, after)?;
    has_links(&now, after)
}

/// The names that a change speaks of.
fn scope(before: &Section, after: &Section) -> Scope {
    let mut scope = Scope {
        shallow: true,
        root: before.ovs_db.is_some() || after.ovs_db.is_some(),
        ..Scope::default()
    };
    for interface in before.interfaces().iter().chain(after.interfaces()) {
        scope.names.insert(interface.name.clone());
        scope.names.extend(interface.controller.clone().flatten());
        let ports = interface.ports.iter().flatten();
        scope.names.extend(ports.map(|port| port.name.clone()));
        let bond = interface.port.as_ref().and_then(|port| port.bond.as_ref());
        scope.names.extend(
            bond.and_then(|bond| bond.ports.clone())
                .into_iter()
                .flatten(),
        );
    }
    scope
}

/// That what the plan saw still is.
fn unchanged(rows: &Rows, before: &Section, after: &Section) -> Result<(), Failure> {
    let changed = |name: &str, what: &str| {
        Failure::conflict(format!(
            "{name} {what} since the plan was made: make a new one"
        ))
    };
    let current = shown::interfaces(rows);
    let find = |name: &str| current.iter().find(|it| it.name == name);
    for saw in before.interfaces() {
        let Some(is) = find(&saw.name) else {
            return Err(changed(&saw.name, "has gone"));
        };
        let mut saw = saw.clone();
        // What the kernel calls it does not count here.
        saw.r#type = None;
        let ports = saw.ports.take();
        if !same(&tree(&saw), &tree(is)) {
            return Err(changed(&saw.name, "has changed"));
        }
        // A port that came meanwhile would go along, and nobody agreed to that.
        if goes(after, &saw.name)
            && let Some(port) = unseen_port(rows, &saw.name, ports.as_deref().unwrap_or_default())?
        {
            return Err(changed(&saw.name, &format!("has a new port {port}")));
        }
    }
    let new = after
        .interfaces()
        .iter()
        .filter(|it| !it.is_absent() && !before.interfaces().iter().any(|saw| saw.name == it.name));
    for wanted in new {
        if find(&wanted.name).is_some() {
            return Err(changed(&wanted.name, "has come"));
        }
    }
    let (none, no_keys) = (OvsDb::default(), TextMap::new());
    let saw = before.ovs_db.as_ref().unwrap_or(&none);
    let wanted = after.ovs_db.as_ref().unwrap_or(&none);
    for (column, saw, wanted) in [
        ("external_ids", &saw.external_ids, &wanted.external_ids),
        ("other_config", &saw.other_config, &wanted.other_config),
    ] {
        let is = rows.root.as_ref().map(|root| root.map(column));
        let (is, saw) = (
            is.as_ref().unwrap_or(&no_keys),
            saw.as_ref().unwrap_or(&no_keys),
        );
        let mut keys = wanted.iter().flat_map(|keys| keys.keys());
        if let Some(key) = keys.find(|key| is.get(*key) != saw.get(*key)) {
            return Err(changed(&format!("{column}:{key}"), "has changed"));
        }
    }
    Ok(())
}

/// Whether a bridge is to be removed.
fn goes(after: &Section, name: &str) -> bool {
    let mut wanted = after.interfaces().iter();
    wanted.any(|it| it.name == name && it.is_absent() && it.r#type == Some(LinkType::OvsBridge))
}

/// The name of a port of a bridge that is not among those that were seen.
fn unseen_port(rows: &Rows, bridge: &str, seen: &[Port]) -> Result<Option<String>, Failure> {
    let ports = rows.bridge(bridge).map(|row| row.uuids("ports"));
    for uuid in ports.unwrap_or_default() {
        let name = rows.port_name(uuid)?;
        let is_known = |name: &String| name == bridge || seen.iter().any(|port| port.name == *name);
        if let Some(name) = name.filter(|name| !is_known(name)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// That ovs-vswitchd has every interface that the change speaks of. What it could not have before this change is none of its doing.
fn is_well(rows: &Rows, earlier: &Rows, after: &Section) -> Result<(), Failure> {
    let mut interfaces = BTreeSet::new();
    for wanted in after.interfaces().iter().filter(|it| !it.is_absent()) {
        interfaces.insert(wanted.name.clone());
        let port = rows.port(&wanted.name);
        let of_port = port.into_iter().flat_map(|row| rows.interfaces_of(row));
        interfaces.extend(of_port.filter_map(|row| row.text("name")));
    }
    for name in interfaces {
        let Some(row) = rows.interface(&name) else {
            continue;
        };
        let was = earlier
            .interface(&name)
            .filter(|was| was.uuid == row.uuid)
            .and_then(|was| was.text("error"));
        if let Some(text) = row.text("error").filter(|text| was.as_ref() != Some(text)) {
            return Err(Failure {
                code: FailureCode::Refused,
                message: format!("Open vSwitch cannot have {name}: {text}"),
                backend: Some(BackendError {
                    name: "Interface.error".to_owned(),
                    text: Some(text),
                }),
            });
        }
    }
    Ok(())
}

/// That the kernel has the links of bridges and internal ports.
fn has_links(rows: &Rows, after: &Section) -> Result<(), Failure> {
    // A rehearsal leaves no row.
    let is_internal = |it: &&Interface| {
        rows.interface(&it.name).is_some_and(|row| {
            it.r#type == Some(LinkType::OvsBridge)
                || row.text("type").as_deref() == Some("internal")
        })
    };
    let wanted: Vec<&Interface> = after
        .interfaces()
        .iter()
        .filter(|it| !it.is_absent())
        .filter(is_internal)
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let names = wanted.iter().map(|it| LinkSelector::Name(it.name.clone()));
    let links = nl::links(&names.collect::<Vec<_>>())?;
    match wanted
        .iter()
        .find(|it| !links.iter().any(|link| link.name == it.name))
    {
        None => Ok(()),
        Some(missing) => Err(Failure::new(
            FailureCode::Refused,
            format!(
                "ovs-vswitchd has made no link {} in this network namespace: its log says why",
                missing.name
            ),
        )),
    }
}
