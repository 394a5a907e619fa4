//! Open vSwitch's bridges and ports, put to the links that the kernel showed.

use std::collections::{BTreeSet, HashSet};

use op_dbus_plugin::netlink::LinkSelector;
use op_dbus_plugin::{Failure, FailureCode, netlink as nl};

use super::Reading;
use crate::compare::DATAPATH;
use crate::kind;
use crate::ovs::read::{Rows, Scope};
use crate::ovs::shown;
use crate::section::ovs::Datapath;
use crate::section::{Interface, LinkType, OvsDb, Section};

/// Reads everything of it, where it is there.
pub fn everything(reading: &mut Reading) -> Result<(), Failure> {
    match Rows::everything() {
        Ok(rows) => {
            reading.ovs_db = rows.root.as_ref().map(shown::database);
            add(reading, &rows);
            Ok(())
        }
        Err(failure) if is_away(&failure) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Reads what a section concerns, where it may concern any. The names of links whose addresses matter because their bridge goes away, is
/// made anew, or was asked for whole.
pub fn within(reading: &mut Reading, section: &Section) -> Result<HashSet<String>, Failure> {
    let is_asked = speaks_of_switch(section);
    if !is_asked && !may_concern(reading, section) {
        return Ok(HashSet::new());
    }
    let rows = match Rows::within(&scope(section)) {
        Ok(rows) => rows,
        Err(failure) if is_away(&failure) => {
            if is_asked {
                reading.ovs_db = Some(OvsDb {
                    unavailable: Some(failure.message),
                    ..OvsDb::default()
                });
            }
            return Ok(HashSet::new());
        }
        Err(failure) => return Err(failure),
    };
    if section.ovs_db.is_some() {
        reading.ovs_db = rows.root.as_ref().map(shown::database);
    }
    read_links(reading, &rows)?;
    add(reading, &rows);
    Ok(remade(&rows, section))
}

/// Reads the links of the ports that were found beside those that the section names.
fn read_links(reading: &mut Reading, rows: &Rows) -> Result<(), Failure> {
    let names = rows.interfaces.values().filter_map(|row| row.text("name"));
    let new = names.filter(|name| !reading.places.contains_key(name));
    let mut selectors: Vec<LinkSelector> = new.map(LinkSelector::Name).collect();
    if selectors.is_empty() {
        return Ok(());
    }
    selectors.sort_by_key(|selector| match selector {
        LinkSelector::Name(name) => name.clone(),
        _ => String::new(),
    });
    reading.add_links(nl::links(&selectors)?);
    Ok(())
}

/// Whether Open vSwitch is not there, or not there for this plugin.
fn is_away(failure: &Failure) -> bool {
    matches!(
        failure.code,
        FailureCode::Unavailable
            | FailureCode::Denied
            | FailureCode::Unsupported
            | FailureCode::NotFound
    )
}

fn speaks_of_switch(section: &Section) -> bool {
    let speaks = |it: &Interface| {
        let own = it.port.as_ref().is_some_and(|port| port.is_for_switch());
        let mut ports = it.ports.iter().flatten();
        it.is_of_switch()
            || it.ovs_bridge.is_some()
            || own
            || ports.any(|port| port.settings.is_for_switch())
    };
    section.ovs_db.is_some() || section.interfaces().iter().any(speaks)
}

/// Whether a link may be Open vSwitch's although the section does not say so. Of a link of the kernel, an address or an MTU is no matter
/// of Open vSwitch's; a controller is.
fn may_concern(reading: &Reading, section: &Section) -> bool {
    let by_section = section.interfaces().iter().any(|it| {
        it.controller.is_some() || it.ports.is_some() || it.is_absent() || it.is_only_name()
    });
    let by_kernel = reading.interfaces.iter().any(|it| {
        let held_by = it.controller.as_ref().and_then(Option::as_deref);
        let of = it.r#type.as_ref();
        held_by == Some(DATAPATH)
            || of == Some(&LinkType::Tap)
            || matches!(of, Some(LinkType::Other(word)) if word == "openvswitch")
    });
    by_section || by_kernel
}

/// The names that a section speaks of.
fn scope(section: &Section) -> Scope {
    let mut names = BTreeSet::new();
    for it in section.interfaces() {
        names.insert(it.name.clone());
        names.extend(it.ports.iter().flatten().map(|port| port.name.clone()));
        let own = it.port.as_deref().into_iter();
        let ports = it
            .ports
            .iter()
            .flatten()
            .map(|port| &port.settings)
            .chain(own);
        let bonds = ports.filter_map(|port| port.bond.as_ref()?.ports.clone());
        names.extend(bonds.flatten());
    }
    Scope {
        names,
        root: section.ovs_db.is_some(),
        shallow: false,
    }
}

/// The links of bridges that go away or are made anew, and of those that are asked for whole.
fn remade(rows: &Rows, section: &Section) -> HashSet<String> {
    let mut names = HashSet::new();
    for it in section.interfaces() {
        let others = it
            .r#type
            .as_ref()
            .is_some_and(|of| *of != LinkType::OvsBridge);
        let Some(bridge) = rows.bridge(&it.name) else {
            continue;
        };
        let settings = it.ovs_bridge.as_ref();
        let wanted = settings.and_then(|bridge| bridge.datapath_type);
        let datapath = bridge.text("datapath_type");
        let datapath = datapath.as_deref().unwrap_or(Datapath::System.word());
        let remakes = wanted.is_some_and(|wanted| wanted.word() != datapath);
        if it.is_absent() || it.is_only_name() || remakes || others {
            let ports = bridge.uuids("ports").into_iter();
            names.extend(ports.filter_map(|uuid| rows.ports.get(uuid)?.text("name")));
        }
    }
    names
}

/// Puts what Open vSwitch says to the links.
fn add(reading: &mut Reading, rows: &Rows) {
    for it in shown::interfaces(rows) {
        for member in members(&it) {
            if let Some(link) = reading.get(&member)
                && link
                    .controller
                    .clone()
                    .flatten()
                    .is_none_or(|held_by| held_by == DATAPATH)
            {
                link.controller = Some(Some(it.name.clone()));
            }
        }
        let Some(link) = reading.get(&it.name) else {
            reading
                .places
                .insert(it.name.clone(), reading.interfaces.len());
            reading.interfaces.push(it);
            continue;
        };
        if matches!(it.r#type, Some(LinkType::OvsBridge | LinkType::OvsInternal)) {
            kind::clear(link);
            link.r#type = it.r#type;
        }
        link.ovs_bridge = it.ovs_bridge;
        link.port = it.port;
        if it.controller.is_some() {
            link.controller = it.controller;
        }
    }
}

fn members(it: &Interface) -> Vec<String> {
    let bond = it.port.as_ref().and_then(|port| port.bond.as_ref());
    bond.and_then(|bond| bond.ports.clone()).unwrap_or_default()
}
