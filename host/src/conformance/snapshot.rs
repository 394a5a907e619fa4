//! All that is on a host, as far as a grant reaches, in an order of its own: what `rollback` must bring back.
//!
//! Left out is what no plugin can bring back or what moves by itself: indices and UUIDs, counters of configurations, what the kernel or a
//! daemon makes of its own accord, and learnt neighbours.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::simulation::services_state;
use super::stage::Standing;
use crate::backends::dbus::{Outgoing, Terms};
use crate::backends::ovsdb::OvsdbError;
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::{Kind, NeighbourState, RouteScope};
use crate::contract::types::{Failure, FailureCode};
use crate::gate::grant::Grant;

/// `RTPROT_KERNEL` (rtnetlink(7)).
const OF_THE_KERNEL: u8 = 2;
/// The table `local`, which the kernel fills.
const LOCAL: u32 = 255;
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
/// Columns of Open vSwitch's database that say how it went.
const STATUS: [&str; 9] = [
    "_uuid",
    "_version",
    "next_cfg",
    "cur_cfg",
    "status",
    "statistics",
    "ofport",
    "bond_active_slave",
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
        match host.backends.bus.has_owner(NETWORK_MANAGER).await {
            Ok(true) => profiles(host, &mut lines).await?,
            Err(failure) if failure.code != FailureCode::Unavailable => return Err(failure),
            Ok(false) | Err(_) => {}
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
    let databases = match server.databases().await {
        Ok(databases) => databases,
        // On the real kernel there is only what was named.
        Err(OvsdbError::Connect { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for database in databases {
        let schema = server.schema(&database).await?;
        let tables: Vec<&String> = schema.tables.keys().collect();
        let selects: Vec<Value> = tables
            .iter()
            .map(|table| json!({"op": "select", "table": table, "where": []}))
            .collect();
        let results = server.transact(&database, &selects).await?;
        let mut rows = Rows::new();
        for (number, table) in tables.iter().enumerate() {
            for row in results.rows(number) {
                let own = row.iter().filter(|(column, _)| {
                    let forgotten = schema.column(table, column).is_some_and(|it| it.ephemeral);
                    !forgotten && !STATUS.contains(&column.as_str())
                });
                let own = own.map(|(column, value)| (column.clone(), value.clone()));
                let id = row.get("_uuid").and_then(|it| it[1].as_str());
                rows.insert(
                    id.unwrap_or_default().to_owned(),
                    (table.as_str(), own.collect()),
                );
            }
        }
        lines.extend(rows.values().map(|(table, row)| {
            let columns = row
                .iter()
                .map(|(column, value)| (column.clone(), without_uuids(value, &rows, DEEPEST)));
            format!("{table} {}", Value::Object(columns.collect()))
        }));
    }
    Ok(())
}

/// Rows of a database by UUID: the table, and the columns that count.
type Rows<'a> = BTreeMap<String, (&'a str, serde_json::Map<String, Value>)>;

/// How far a row without a name is described by those that it refers to. Rows may refer to each other in a circle.
const DEEPEST: usize = 3;

/// A value (RFC 7047 section 5.1) with what is referred to in place of UUIDs, which are others once a row was made anew: `TABLE:NAME`, or where
/// a row has no name, what is in it.
fn without_uuids(value: &Value, rows: &Rows, depth: usize) -> Value {
    let Some((tag, content)) = value.as_array().and_then(|pair| pair.split_first()) else {
        return value.clone();
    };
    let inner = |value: &Value| without_uuids(value, rows, depth);
    match (tag.as_str(), content) {
        (Some("uuid"), [Value::String(id)]) => {
            let Some((table, row)) = rows.get(id) else {
                return json!("a row of another database");
            };
            let label = match row.get("name") {
                Some(name) => name.as_str().unwrap_or_default().to_owned(),
                None if depth == 0 => String::new(),
                None => row
                    .iter()
                    .map(|(column, it)| format!("{column}={}", without_uuids(it, rows, depth - 1)))
                    .collect::<Vec<_>>()
                    .join(","),
            };
            Value::String(format!("{table}:{label}"))
        }
        (Some("set"), [Value::Array(items)]) => {
            // The server sorts them by UUID.
            let mut items: Vec<Value> = items.iter().map(inner).collect();
            items.sort_by_key(Value::to_string);
            // A set of one is written as its element or as a set.
            match <[Value; 1]>::try_from(items) {
                Ok([only]) => only,
                Err(items) => json!(["set", items]),
            }
        }
        (Some("map"), [Value::Array(pairs)]) => {
            let pairs = pairs.iter().map(|pair| match pair.as_array() {
                Some(pair) => pair.iter().map(inner).collect(),
                None => pair.clone(),
            });
            let mut pairs: Vec<Value> = pairs.collect();
            pairs.sort_by_key(Value::to_string);
            json!(["map", pairs])
        }
        _ => value.clone(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::stage::{Simulated, Stage};

    /// What of the database differs after `operations`.
    async fn changed(operations: Value) -> Vec<String> {
        let host = Simulated::default().stand().await.unwrap();
        let grant: Grant = serde_json::from_value(json!({"ovsdb": {"databases": ["*"]}})).unwrap();
        let before = snapshot(&host, &grant).await.unwrap();
        assert!(
            before.iter().any(|line| line.starts_with("Mirror ")),
            "{before:#?}"
        );
        let operations = operations.as_array().unwrap();
        let results = host
            .backends
            .ovsdb
            .transact("Open_vSwitch", operations)
            .await;
        results.unwrap();
        let after = snapshot(&host, &grant).await.unwrap();
        after
            .into_iter()
            .filter(|line| !before.contains(line))
            .collect()
    }

    /// The UUID of a port. They count up on simulated hosts: another one has the same.
    async fn port(name: &str) -> Value {
        let host = Simulated::default().stand().await.unwrap();
        let select = json!({"op": "select", "table": "Port", "where": [["name", "==", name]]});
        let results = host
            .backends
            .ovsdb
            .transact("Open_vSwitch", &[select])
            .await
            .unwrap();
        results.rows(0).next().unwrap()["_uuid"].clone()
    }

    #[tokio::test]
    async fn a_row_that_changes_its_place_alone_is_seen() {
        let tap1 = port("tap1").await;
        let lines = changed(json!([{"op": "mutate", "table": "Bridge", "where": [["name", "==", "ovsbr0"]],
            "mutations": [["ports", "delete", tap1]]}, {"op": "mutate", "table": "Bridge", "where": [["name", "==", "ovsbr1"]],
            "mutations": [["ports", "insert", tap1]]}])).await;
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(
            lines
                .iter()
                .any(|line| line.contains("Port:tap1") && line.contains("\"ovsbr1\"")),
            "{lines:#?}"
        );
    }

    #[tokio::test]
    async fn a_row_that_was_made_anew_is_the_same() {
        let lines = changed(json!([
            {"op": "delete", "table": "QoS", "where": []},
            {"op": "insert", "table": "QoS", "row": {"type": "linux-htb"}},
        ]))
        .await;
        assert_eq!(
            lines,
            [
                "QoS {\"external_ids\":[\"map\",[]],\"other_config\":[\"map\",[]],\"type\":\"linux-htb\"}"
            ]
        );
        let probe0 = port("probe0").await;
        let lines = changed(json!([
            {"op": "update", "table": "Bridge", "where": [["name", "==", "ovsbr0"]], "row": {"mirrors": ["named-uuid", "m"]}},
            {"op": "insert", "table": "Mirror", "uuid-name": "m", "row": {"name": "watch", "select_all": true, "output_port": probe0}},
        ])).await;
        assert_eq!(
            lines,
            Vec::<String>::new(),
            "the mirror of before, with another UUID"
        );
    }
}
