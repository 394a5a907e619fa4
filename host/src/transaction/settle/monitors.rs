//! Rows of OVSDB databases whose changes mean that the system may have come closer to the wish.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;

use crate::backends::ovsdb::{Lazy, Monitor, MonitorRequest, OvsdbError, TableRequest};
use crate::contract::exports::op_dbus::plugin::state::Watch;
use crate::plugin::failure::PluginError;
use crate::transaction::plan::Part;

/// Counters, which change all the time and mean nothing here.
const COUNTERS: [&str; 2] = ["statistics", "rstp_statistics"];

/// The tables that the plugins watch, by database.
async fn tables(parts: &[Part<'_>]) -> Result<BTreeMap<String, BTreeSet<String>>, PluginError> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in parts {
        for watch in part.caller.watches().await? {
            if let Watch::OvsdbTable(name) = watch
                && let Some((database, table)) = name.split_once('/')
            {
                let of_database = tables.entry(database.to_owned()).or_default();
                of_database.insert(table.to_owned());
            }
        }
    }
    Ok(tables)
}

/// Monitors on the tables that the plugins watch, as far as the server has them; none if it was never used.
///
/// # Errors
/// What a plugin says to `watches`.
pub async fn watch(parts: &[Part<'_>], ovsdb: &Lazy) -> Result<Vec<Monitor>, PluginError> {
    let mut monitors = Vec::new();
    if !ovsdb.was_used() {
        return Ok(monitors);
    }
    for (database, tables) in tables(parts).await? {
        match monitor(&database, &tables, ovsdb).await {
            Ok(monitor) => monitors.push(monitor),
            Err(error) => tracing::warn!("changes in {database} are not noticed: {error}"),
        }
    }
    Ok(monitors)
}

async fn monitor(
    database: &str,
    tables: &BTreeSet<String>,
    ovsdb: &Lazy,
) -> Result<Monitor, OvsdbError> {
    let client = ovsdb.client().await?;
    let schema = client.schema(database).await?;
    let known = tables
        .iter()
        .filter_map(|name| schema.tables.get(name).map(|table| (name, table)));
    let tables = known.map(|(name, table)| {
        let columns = table
            .columns
            .keys()
            .filter(|column| !COUNTERS.contains(&column.as_str()));
        let request = TableRequest {
            columns: Some(columns.cloned().collect()),
            conditions: None,
        };
        (name.clone(), request)
    });
    let request = MonitorRequest {
        database: database.to_owned(),
        tables: tables.collect(),
    };
    client.monitor(request).await
}

/// Waits for an event of any monitor; for ever if there is none.
///
/// # Errors
/// The server is gone.
pub async fn any(monitors: &mut [Monitor]) -> Result<(), OvsdbError> {
    let next = monitors.iter_mut().map(|monitor| Box::pin(monitor.next()));
    let mut waiting: Vec<_> = next.collect();
    poll_fn(|context| {
        let mut events = waiting.iter_mut().map(|next| next.as_mut().poll(context));
        match events.find(Poll::is_ready) {
            Some(event) => event.map(|event| event.map(drop)),
            None => Poll::Pending,
        }
    })
    .await
}
