//! Waiting until ovs-vswitchd has carried out what the database says (ovs-vswitchd.conf.db(5), `next_cfg` and
//! `cur_cfg`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Client;
use super::error::OvsdbError;
use super::monitor::{Monitor, MonitorRequest, TableRequest};
use super::schema::Schema;
use super::transact::Results;

/// The table with one row that holds the two counters.
const TABLE: &str = "Open_vSwitch";
/// The lock that a running ovs-vswitchd holds (its `bridge.c`).
const SWITCH_LOCK: &str = "ovs_vswitchd";

/// `next_cfg` that is waited for and `cur_cfg` that was seen last.
#[derive(Default)]
struct Progress {
    wanted: AtomicI64,
    reached: AtomicI64,
}

/// Operations at the end of a transaction that ask ovs-vswitchd to confirm it: it looks at the database once then, and not a second time
/// for a request of its own. `None` where the schema has no such counter.
pub fn request(schema: &Schema) -> Option<[Value; 2]> {
    schema.column(TABLE, "next_cfg").map(|_| raising())
}

/// What [`request`] raised the counter to, from the results of the transaction in which it began with operation `number`.
pub fn requested(results: &Results, number: usize) -> Option<i64> {
    let mut rows = results.rows(number + 1);
    rows.next()?.get("next_cfg")?.as_i64()
}

fn raising() -> [Value; 2] {
    [
        json!({"op": "mutate", "table": TABLE, "where": [], "mutations": [["next_cfg", "+=", 1]]}),
        json!({"op": "select", "table": TABLE, "where": [], "columns": ["next_cfg"]}),
    ]
}

impl Client {
    /// Asks ovs-vswitchd to confirm what was committed so far, and waits until it has.
    ///
    /// # Errors
    /// `Unsettled` (or `Deadline`, if it is ovsdb-server that is slow) when `within` has passed and ovs-vswitchd runs, `NoSwitch` when it does not run (known
    /// after [`super::Options::switch_restart`]); otherwise as [`Client::transact`] and [`Client::monitor`].
    pub async fn settle(&self, database: &str, within: Duration) -> Result<(), OvsdbError> {
        self.settle_at(database, None, within).await
    }

    /// Waits until ovs-vswitchd has carried out what [`request`] asked it to confirm.
    ///
    /// # Errors
    /// As [`Client::settle`].
    pub async fn settled(
        &self,
        database: &str,
        wanted: i64,
        within: Duration,
    ) -> Result<(), OvsdbError> {
        self.settle_at(database, Some(wanted), within).await
    }

    async fn settle_at(
        &self,
        database: &str,
        wanted: Option<i64>,
        within: Duration,
    ) -> Result<(), OvsdbError> {
        let began = Instant::now();
        let progress = Progress::default();
        let waiting = self.settle_unbounded(database, wanted, &progress);
        tokio::pin!(waiting);
        if let Ok(done) =
            tokio::time::timeout(within.min(self.options().switch_restart), &mut waiting).await
        {
            return done;
        }
        if !self.switch_runs().await? {
            return Err(OvsdbError::NoSwitch);
        }
        if let Ok(done) = tokio::time::timeout_at(began + within, &mut waiting).await {
            return done;
        }
        if !self.switch_runs().await? {
            return Err(OvsdbError::NoSwitch);
        }
        let wanted = progress.wanted.load(Ordering::Relaxed);
        if wanted == 0 {
            // It is ovsdb-server that was too slow, before ovs-vswitchd could be asked.
            return Err(OvsdbError::Deadline {
                remote: self.options().remote.to_string(),
                method: "the request to settle".to_owned(),
                limit: within,
            });
        }
        Err(OvsdbError::Unsettled {
            wanted,
            reached: progress.reached.load(Ordering::Relaxed),
            limit: within,
        })
    }

    async fn settle_unbounded(
        &self,
        database: &str,
        wanted: Option<i64>,
        progress: &Progress,
    ) -> Result<(), OvsdbError> {
        let columns = TableRequest {
            columns: Some(vec!["cur_cfg".to_owned()]),
            conditions: None,
        };
        let mut monitor = self
            .monitor(MonitorRequest {
                database: database.to_owned(),
                tables: BTreeMap::from([(TABLE.to_owned(), columns)]),
            })
            .await?;
        let wanted = match wanted {
            Some(wanted) => wanted,
            None => self.ask_to_confirm(database).await?,
        };
        progress.wanted.store(wanted, Ordering::Relaxed);
        loop {
            monitor.next().await?;
            let reached = current(&monitor).ok_or_else(|| self.without_row(database))?;
            progress.reached.store(reached, Ordering::Relaxed);
            if reached >= wanted {
                return Ok(());
            }
        }
    }

    /// Raises `next_cfg` and returns what it is then.
    async fn ask_to_confirm(&self, database: &str) -> Result<i64, OvsdbError> {
        let operations = raising();
        let results = match self.transact(database, &operations).await {
            // To raise it twice costs ovs-vswitchd one more look at the database and does no harm.
            Err(OvsdbError::EffectUnknown { .. }) => self.transact(database, &operations).await?,
            results => results?,
        };
        requested(&results, 0).ok_or_else(|| self.without_row(database))
    }

    /// Whether an ovs-vswitchd runs: it holds its lock then (RFC 7047 section 4.1.8).
    ///
    /// The question is asked over a connection of its own: if nobody has the lock, we have it for the moment until this
    /// connection is closed, whatever becomes of us.
    async fn switch_runs(&self) -> Result<bool, OvsdbError> {
        let mut options = self.options().clone();
        options.reconnect_within = Duration::ZERO;
        let asking = Self::connect(options).await?;
        let (_, result) = asking
            .read("lock", json!([SWITCH_LOCK]).to_string())
            .await?;
        let result = asking.parse("lock", &result)?;
        match result.get("locked") {
            Some(Value::Bool(locked)) => Ok(!locked),
            _ => Err(asking.protocol("the result of lock is malformed".to_owned())),
        }
    }

    fn without_row(&self, database: &str) -> OvsdbError {
        OvsdbError::NotFound {
            what: format!("the row of table {TABLE} (`ovs-vsctl init` makes it)"),
            database: database.to_owned(),
        }
    }
}

fn current(monitor: &Monitor) -> Option<i64> {
    let (_, row) = monitor.rows().table(TABLE).next()?;
    row.get("cur_cfg")?.as_i64()
}
