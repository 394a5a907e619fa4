//! All that is on a host, as far as a grant reaches, in an order of its own: what `rollback` must bring back.
//!
//! Left out is what no plugin can bring back or what moves by itself: indices and UUIDs, counters of configurations, what the kernel or a
//! daemon makes of its own accord, and learnt neighbours.

use serde_json::{Value, json};

use super::simulation::services_state;
use super::stage::Standing;
use crate::backends::dbus::{Outgoing, Terms};
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::{Kind, NeighbourState, RouteScope};
use crate::contract::types::Failure;
use crate::gate::grant::Grant;

/// `RTPROT_KERNEL` (rtnetlink(7)).
const OF_THE_KERNEL: u8 = 2;
/// The table `local`, which the kernel fills.
const LOCAL: u32 = 255;
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
/// Tables of Open vSwitch's database that describe what it should do.
const TABLES: [&str; 5] = ["Open_vSwitch", "Bridge", "Port", "Interface", "Controller"];
/// Columns that say how it went.
const STATUS: [&str; 8] = [
    "_uuid",
    "_version",
    "next_cfg",
    "cur_cfg",
    "status",
    "statistics",
    "ofport",
    "error",
];

/// What is there.
///
/// # Errors
/// When a backend cannot be read.
pub async fn snapshot(host: &Standing, grant: &Grant) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    if grant.netlink.is_some() {
        kernel(host, &mut lines).await?;
    }
    if grant.ovsdb.is_some() {
        database(host, &mut lines).await?;
    }
    if grant.dbus.is_some() {
        if host.backends.bus.has_owner(NETWORK_MANAGER).await? {
            profiles(host, &mut lines).await?;
        }
        lines.extend(services_state(host)?);
    }
    lines.sort();
    Ok(lines)
}

async fn kernel(host: &Standing, lines: &mut Vec<String>) -> Result<(), Failure> {
    let kernel = &host.backends.kernel;
    for mut link in kernel.links(&[]).await? {
        link.index = 0;
        link.running = false;
        link.alternative_names.sort();
        if let Kind::Veth(veth) = &mut link.kind {
            veth.peer_index = None;
        }
        lines.push(format!("link {link:?}"));
    }
    let addresses = kernel.addresses(&[]).await?;
    let own = addresses
        .iter()
        .filter(|it| !it.address.starts_with("fe80:"));
    lines.extend(own.map(|address| format!("address {address:?}")));
    let everything = RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: Vec::new(),
        protocols: Vec::new(),
        destinations: Vec::new(),
    };
    let routes = kernel.routes(&everything).await?;
    let own = routes
        .iter()
        .filter(|route| route.protocol != OF_THE_KERNEL && route.table != LOCAL);
    lines.extend(own.map(|route| format!("route {route:?}")));
    let rules = kernel.rules(&[]).await?;
    lines.extend(rules.iter().map(|rule| format!("rule {rule:?}")));
    let neighbours = kernel.neighbours(&[]).await?;
    let own = neighbours
        .iter()
        .filter(|entry| entry.proxy || entry.state == NeighbourState::Permanent);
    lines.extend(own.map(|entry| format!("neighbour {entry:?}")));
    let vlans = kernel.bridge_vlans(&[]).await?;
    lines.extend(vlans.iter().map(|vlan| format!("vlan {vlan:?}")));
    Ok(())
}

async fn database(host: &Standing, lines: &mut Vec<String>) -> Result<(), Failure> {
    let server = &host.backends.ovsdb;
    for database in server.databases().await? {
        let schema = server.schema(&database).await?;
        let tables: Vec<&str> = TABLES
            .into_iter()
            .filter(|table| schema.tables.contains_key(*table))
            .collect();
        let selects: Vec<Value> = tables
            .iter()
            .map(|table| json!({"op": "select", "table": table, "where": []}))
            .collect();
        let results = server.transact(&database, &selects).await?;
        for (number, table) in tables.iter().enumerate() {
            for row in results.rows(number) {
                let own: serde_json::Map<_, _> = row
                    .iter()
                    .filter(|(column, _)| {
                        let known = schema.column(table, column);
                        let refers = known.is_some_and(|it| it.key.ref_table.is_some());
                        let forgotten = known.is_some_and(|it| it.ephemeral);
                        !refers && !forgotten && !STATUS.contains(&column.as_str())
                    })
                    .map(|(column, value)| (column.clone(), value.clone()))
                    .collect();
                lines.push(format!("{table} {}", Value::Object(own)));
            }
        }
    }
    Ok(())
}

/// NetworkManager's profiles: settings and secrets, without when they were last used.
async fn profiles(host: &Standing, lines: &mut Vec<String>) -> Result<(), Failure> {
    let settings = "/org/freedesktop/NetworkManager/Settings";
    let listed = call(host, settings, "Settings", "ListConnections").await?;
    for path in listed[0].as_array().into_iter().flatten() {
        let path = path.as_str().unwrap_or_default();
        let mut profile = call(host, path, "Settings.Connection", "GetSettings").await?;
        if let Some(connection) = profile[0]["connection"].as_object_mut() {
            connection.remove("timestamp");
        }
        lines.push(format!("profile {}", profile[0]));
    }
    Ok(())
}

async fn call(
    host: &Standing,
    path: &str,
    interface: &str,
    member: &str,
) -> Result<Value, Failure> {
    let call = MethodCall {
        destination: NETWORK_MANAGER.into(),
        path: path.into(),
        interface: format!("{NETWORK_MANAGER}.{interface}"),
        member: member.into(),
        signature: String::new(),
        arguments: "[]".into(),
    };
    let outgoing = Outgoing {
        call: &call,
        terms: Terms::PLAIN,
    };
    let mut answers = host.backends.bus.call_all(&[outgoing]).await;
    let reply = answers.pop().expect("an answer for each call")?;
    Ok(serde_json::from_str(&reply.values).unwrap_or_default())
}
