//! Monitors: rows that stay current (RFC 7047 sections 4.1.5 to 4.1.7; ovsdb-server(7) for the newer methods).
//!
//! `monitor_cond_since` is asked for first, then `monitor_cond`, then `monitor`, whichever the server knows. A monitor
//! outlives its connection: over the next one it continues after the last transaction that it saw, where the server
//! still has what came since, and starts from a snapshot where not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::client::{Client, Repeat};
use super::connection::{Connection, Feed, Notice};
use super::error::OvsdbError;
use super::json;
use super::schema::Schema;
use super::update::{Form, RowUpdate, Rows};

/// The transaction before the first: a server answers it with a snapshot.
const NO_TRANSACTION: &str = "00000000-0000-0000-0000-000000000000";

/// What to watch.
#[derive(Debug, Clone, Default)]
pub struct MonitorRequest {
    /// The database.
    pub database: String,
    /// The tables by name.
    pub tables: BTreeMap<String, TableRequest>,
}

/// What to watch of a table.
#[derive(Debug, Clone, Default)]
pub struct TableRequest {
    /// The columns; `None` is all that the server has.
    pub columns: Option<Vec<String>>,
    /// Which rows: `<condition>`s of section 5.1, all of which must hold. A server that knows only `monitor` cannot
    /// choose rows, and the call fails with `Refused`.
    pub conditions: Option<Vec<Value>>,
}

/// What happened to the monitored rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// [`Monitor::rows`] is what the database holds: at the start, and again when the thread of changes was lost.
    /// Compare if you need to know what changed between.
    Snapshot,
    /// These rows changed, in one transaction.
    Updates(Vec<RowUpdate>),
}

/// How a server is asked to monitor, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    CondSince,
    Cond,
    Plain,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::CondSince => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    fn form(self) -> Form {
        match self {
            Self::CondSince | Self::Cond => Form::Difference,
            Self::Plain => Form::OldAndNew,
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::CondSince => Some(Self::Cond),
            Self::Cond => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// Rows that stay current. Dropping it ends it at the server, too.
pub struct Monitor {
    client: Client,
    request: MonitorRequest,
    rows: Rows,
    last_transaction: String,
    source: Source,
    /// What to say first.
    event: Option<Event>,
}

/// Where the updates come from: one monitor at the server.
struct Source {
    name: String,
    connection: Arc<Connection>,
    notices: mpsc::Receiver<Notice>,
    unread: Arc<AtomicUsize>,
    method: Method,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.connection.forget(&self.name);
    }
}

impl Client {
    /// Starts to watch rows. The first event is a snapshot.
    ///
    /// # Errors
    /// `NotFound` if a table or column does not exist on this server; otherwise as [`Client::schema`].
    pub async fn monitor(&self, request: MonitorRequest) -> Result<Monitor, OvsdbError> {
        let started = start(self, &request, NO_TRANSACTION).await?;
        let mut monitor = Monitor {
            client: self.clone(),
            request,
            rows: started.rows,
            last_transaction: String::new(),
            source: started.source,
            event: None,
        };
        monitor.take_snapshot(started.last_transaction, started.updates)?;
        Ok(monitor)
    }
}

impl Monitor {
    /// The rows as of the last event.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Waits for the next event. It may be dropped while it waits, and called again.
    ///
    /// # Errors
    /// As [`Client::monitor`]. The monitor can be asked again: it then starts anew.
    pub async fn next(&mut self) -> Result<Event, OvsdbError> {
        loop {
            if let Some(event) = self.event.take() {
                return Ok(event);
            }
            match self.source.notices.recv().await {
                Some(notice) => {
                    self.source
                        .unread
                        .fetch_sub(notice.bytes, Ordering::Relaxed);
                    if let Err(reason) = self.take_notice(&notice) {
                        self.source.notices.close();
                        self.last_transaction = NO_TRANSACTION.to_owned();
                        return Err(self.client.protocol(reason));
                    }
                }
                None => self.resume().await?,
            }
        }
    }

    /// Ends the monitor and waits until the server has confirmed it (section 4.1.7).
    ///
    /// # Errors
    /// As [`Client::schema`]. A lost connection is none: the monitor is gone with it.
    pub async fn cancel(self) -> Result<(), OvsdbError> {
        let params = json!([self.source.name]).to_string();
        let call = self.source.connection.call("monitor_cancel", params, None);
        match tokio::time::timeout(self.client.options().answer_within, call).await {
            Ok(_) => Ok(()),
            Err(_) => Err(OvsdbError::Deadline {
                remote: self.client.options().remote.to_string(),
                method: "monitor_cancel".to_owned(),
                limit: self.client.options().answer_within,
            }),
        }
    }

    /// Continues over the next connection.
    async fn resume(&mut self) -> Result<(), OvsdbError> {
        let started = start(&self.client, &self.request, &self.last_transaction).await?;
        self.source = started.source;
        if started.is_continued {
            self.last_transaction = started.last_transaction;
            return self.take_updates(started.updates).map_err(|reason| {
                self.source.notices.close();
                self.last_transaction = NO_TRANSACTION.to_owned();
                self.client.protocol(reason)
            });
        }
        self.rows = started.rows;
        self.take_snapshot(started.last_transaction, started.updates)
    }

    fn take_snapshot(&mut self, transaction: String, updates: Value) -> Result<(), OvsdbError> {
        let applied = self.rows.apply(self.source.method.form(), updates);
        if let Err(reason) = applied {
            self.source.notices.close();
            self.last_transaction = NO_TRANSACTION.to_owned();
            return Err(self.client.protocol(reason));
        }
        self.last_transaction = transaction;
        self.event = Some(Event::Snapshot);
        Ok(())
    }

    fn take_updates(&mut self, updates: Value) -> Result<(), String> {
        let updates = self.rows.apply(self.source.method.form(), updates)?;
        if !updates.is_empty() {
            self.event = Some(Event::Updates(updates));
        }
        Ok(())
    }

    /// Reads `[<json-value>, <updates>]`, with the transaction between them in `update3`.
    fn take_notice(&mut self, notice: &Notice) -> Result<(), String> {
        let method = notice.method.as_str();
        let expected = match self.source.method {
            Method::CondSince => "update3",
            Method::Cond => "update2",
            Method::Plain => "update",
        };
        if method != expected {
            // `monitor_canceled`: the database was converted or removed.
            self.source.notices.close();
            return Ok(());
        }
        let wrong = || format!("the parameters of {method} are malformed");
        let params =
            json::parse(notice.params.get()).map_err(|error| format!("{method}: {error}"))?;
        let Value::Array(mut params) = params else {
            return Err(wrong());
        };
        let updates = params.pop().ok_or_else(wrong)?;
        if self.source.method == Method::CondSince {
            let transaction = params.get(1).and_then(Value::as_str).ok_or_else(wrong)?;
            self.last_transaction = transaction.to_owned();
        }
        self.take_updates(updates)
    }
}

struct Started {
    source: Source,
    rows: Rows,
    last_transaction: String,
    /// `updates` is what came after the transaction that was asked for; else everything.
    is_continued: bool,
    updates: Value,
}

async fn start(
    client: &Client,
    request: &MonitorRequest,
    since: &str,
) -> Result<Started, OvsdbError> {
    let schema = client.schema(&request.database).await?;
    let columns = columns(&schema, request)?;
    let mut method = Method::CondSince;
    loop {
        let name = client.new_monitor_name();
        let params = parameters(request, &columns, method, &name, since);
        let mut reading = None;
        let call = client.call(method.name(), params, Repeat::Safe, || {
            let (feed, notices, unread) = Feed::new(name.clone());
            reading = Some((notices, unread));
            Some(feed)
        });
        let (connection, result) = match call.await {
            Ok(answer) => answer,
            Err(OvsdbError::Refused { error, details, .. }) if error == "unknown method" => {
                match method.next() {
                    Some(next) if next != Method::Plain || !has_conditions(request) => {
                        method = next;
                        continue;
                    }
                    _ => {
                        return Err(OvsdbError::Refused {
                            method: method.name().to_owned(),
                            error,
                            details,
                        });
                    }
                }
            }
            Err(error) => return Err(error),
        };
        let Some((notices, unread)) = reading else {
            return Err(client.protocol("a monitor without a feed".to_owned()));
        };
        let source = Source {
            name,
            connection,
            notices,
            unread,
            method,
        };
        let (is_continued, last_transaction, updates) = read_result(client, method, &result)?;
        return Ok(Started {
            source,
            rows: Rows::new(schema, columns),
            last_transaction,
            is_continued: is_continued && since != NO_TRANSACTION,
            updates,
        });
    }
}

/// `[<found>, <last-txn-id>, <table-updates2>]` for `monitor_cond_since`, the updates alone for the others.
fn read_result(
    client: &Client,
    method: Method,
    result: &RawValue,
) -> Result<(bool, String, Value), OvsdbError> {
    let result = client.parse(method.name(), result)?;
    if method != Method::CondSince {
        return Ok((false, NO_TRANSACTION.to_owned(), result));
    }
    if let Value::Array(parts) = result
        && let Ok([Value::Bool(found), Value::String(last), updates]) =
            <[Value; 3]>::try_from(parts)
    {
        return Ok((found, last, updates));
    }
    Err(client.protocol("the result of monitor_cond_since is malformed".to_owned()))
}

fn has_conditions(request: &MonitorRequest) -> bool {
    let mut tables = request.tables.values();
    tables.any(|table| table.conditions.is_some())
}

/// The columns to ask for, each of which the server has.
fn columns(
    schema: &Schema,
    request: &MonitorRequest,
) -> Result<BTreeMap<String, Vec<String>>, OvsdbError> {
    let missing = |what: String| OvsdbError::NotFound {
        what,
        database: request.database.clone(),
    };
    let mut columns = BTreeMap::new();
    for (name, wanted) in &request.tables {
        let table = schema
            .tables
            .get(name)
            .ok_or_else(|| missing(format!("table {name}")))?;
        let wanted = match &wanted.columns {
            None => table.columns.keys().cloned().collect(),
            Some(wanted) => {
                let has = |column: &&String| {
                    table.columns.contains_key(*column)
                        || *column == "_uuid"
                        || *column == "_version"
                };
                if let Some(column) = wanted.iter().find(|column| !has(column)) {
                    return Err(missing(format!("column {column} of table {name}")));
                }
                wanted.clone()
            }
        };
        columns.insert(name.clone(), wanted);
    }
    Ok(columns)
}

/// `[<db-name>, <json-value>, <monitor-cond-requests>]`, and the transaction for `monitor_cond_since`.
fn parameters(
    request: &MonitorRequest,
    columns: &BTreeMap<String, Vec<String>>,
    method: Method,
    name: &str,
    since: &str,
) -> String {
    let mut tables = Map::new();
    for (table, columns) in columns {
        let mut asked = json!({ "columns": columns });
        if let Some(conditions) = request
            .tables
            .get(table)
            .and_then(|table| table.conditions.as_ref())
        {
            asked["where"] = conditions.clone().into();
        }
        tables.insert(table.clone(), json!([asked]));
    }
    let params = match method {
        Method::CondSince => json!([request.database, name, tables, since]),
        Method::Cond | Method::Plain => json!([request.database, name, tables]),
    };
    params.to_string()
}
