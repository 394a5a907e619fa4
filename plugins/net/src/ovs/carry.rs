//! Carrying out a change of bridges and ports: one transaction, then waiting for ovs-vswitchd and looking at what became of it.

use std::collections::BTreeSet;

use op_dbus_plugin::netlink::{self as nl, LinkSelector};
use op_dbus_plugin::{BackendError, Failure, FailureCode, ovsdb};
use serde_json::Value;

use super::read::{Rows, Scope};
use super::{DATABASE, change, shown};
use crate::compare::same;
use crate::section::{Interface, LinkType, Section};
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
    let rows = Rows::within(&scope)?;
    is_well(&rows, after)?;
    has_links(&rows, after)
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
        if !same(&tree(&saw), &tree(is)) {
            return Err(changed(&saw.name, "has changed"));
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
    Ok(())
}

/// That ovs-vswitchd has every interface that the change speaks of.
fn is_well(rows: &Rows, after: &Section) -> Result<(), Failure> {
    let mut interfaces = BTreeSet::new();
    for wanted in after.interfaces().iter().filter(|it| !it.is_absent()) {
        interfaces.insert(wanted.name.clone());
        let port = rows.port(&wanted.name);
        let of_port = port.into_iter().flat_map(|row| rows.interfaces_of(row));
        interfaces.extend(of_port.filter_map(|row| row.text("name")));
    }
    for name in interfaces {
        if let Some(text) = rows.interface(&name).and_then(|row| row.text("error")) {
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
