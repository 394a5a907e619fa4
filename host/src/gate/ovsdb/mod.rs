//! Calls to the OVSDB server against a grant: what may be read, what may be changed, what is noted before it is.

mod answer;
mod scope;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};

use super::grant::{OvsdbGrant, Verb};
use super::{Gate, Mode, Rehearsed, failure};
use crate::backends::ovsdb::effect::{Effect, effect};
use crate::backends::ovsdb::image::{image, links};
use crate::backends::ovsdb::operation::{Operation, RandomUuids, parse};
use crate::backends::ovsdb::{OvsdbError, Schema, settle};
use crate::contract::types::{BackendError, Failure, FailureCode};
use crate::document;
use scope::Scope;

/// The largest array of operations, in bytes of JSON: what the client sends at most.
const LARGEST: usize = 64 << 20;
/// How often a transaction is worked out anew when somebody else has changed what it concerns in between.
const ATTEMPTS: u32 = 5;

/// What one call into a plugin has done so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows of the table Interface that its transactions made or changed.
    interfaces: Mutex<BTreeSet<String>>,
    /// The configuration that ovs-vswitchd was last asked to confirm, by database. None after a transaction whose effect is unknown.
    requested: Mutex<BTreeMap<String, i64>>,
}

impl Progress {
    fn note_requested(&self, database: &str, number: Option<i64>) {
        let mut requested = unpoisoned(&self.requested);
        match number {
            Some(number) => requested.insert(database.to_owned(), number),
            None => requested.remove(database),
        };
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// A refusal, with what would have to be granted.
fn denied(what: &str, key: &str) -> Failure {
    failure(
        FailureCode::Denied,
        format!(
            "the grant does not cover {what}; to allow it, the operator adds it to ovsdb.{key}"
        ),
    )
}

impl Gate {
    /// Counts a call and finds the OVSDB part of the grant.
    fn ovsdb(&self) -> Result<&OvsdbGrant, Failure> {
        self.budget.call()?;
        if self.mode == Mode::Pure {
            return Err(failure(
                FailureCode::Denied,
                "describe, watches, validate and diff are pure: they may call no capability",
            ));
        }
        self.grant.ovsdb.as_ref().ok_or_else(|| {
            let plugin = &self.plugin;
            self.refuse(failure(
                FailureCode::Denied,
                format!("plugin {plugin} has no grant for ovsdb; the operator writes one as grant.ovsdb in its section of the configuration"),
            ))
        })
    }

    fn database(&self, database: &str) -> Result<&OvsdbGrant, Failure> {
        let grant = self.ovsdb()?;
        if grant.covers_database(database) {
            Ok(grant)
        } else {
            Err(self.refuse(denied(&format!("the database {database:?}"), "databases")))
        }
    }

    /// The databases that the plugin may see.
    ///
    /// # Errors
    /// `denied` without a grant for OVSDB; else what the server says. So for all.
    pub async fn databases(&self) -> Result<Vec<String>, Failure> {
        let grant = self.ovsdb()?;
        let mut databases = self.backends.ovsdb.databases().await?;
        databases.retain(|database| grant.covers_database(database));
        Ok(databases)
    }

    /// A database's schema, without the tables that the grant does not mention.
    pub async fn schema(&self, database: &str) -> Result<String, Failure> {
        let grant = self.database(database)?;
        let schema = self.backends.ovsdb.schema(database).await?;
        if schema.tables.keys().all(|table| grant.covers_table(table)) {
            return Ok(schema.text.clone());
        }
        let mut text: Value = serde_json::from_str(&schema.text)
            .map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
        if let Some(tables) = text.get_mut("tables").and_then(Value::as_object_mut) {
            tables.retain(|table, _| grant.covers_table(table));
        }
        Ok(text.to_string())
    }

    /// Runs operations as one transaction: checks what they would do against the grant, lets the recorder note it, then sends them.
    pub async fn transact(&self, database: &str, operations: &str) -> Result<String, Failure> {
        let grant = self.database(database)?;
        let (operations, asked) = self.understand(database, operations).await?;
        let schema = self.backends.ovsdb.schema(database).await?;
        covers_operations(grant, &schema, &operations).map_err(|failure| self.refuse(failure))?;
        let changes = operations.iter().any(Operation::changes);
        if changes && matches!(self.mode, Mode::Read | Mode::Checkpoint) {
            return Err(failure(
                FailureCode::Denied,
                "query, verify and checkpoint may read only; changes belong into apply and rollback",
            ));
        }
        if operations.is_empty() {
            return Ok("[]".to_owned());
        }
        let mut attempt = 1;
        loop {
            match self.attempt(grant, &schema, &operations, &asked).await {
                Err(Stopped::Moved) if attempt < ATTEMPTS => attempt += 1,
                Err(Stopped::Moved) => {
                    return Err(failure(
                        FailureCode::Conflict,
                        format!(
                            "somebody changes the rows of this transaction all the time: {ATTEMPTS} attempts were overtaken"
                        ),
                    ));
                }
                Err(Stopped::Failed(failure)) => return Err(failure),
                Ok(results) => return Ok(Value::Array(results).to_string()),
            }
        }
    }

    /// Reads the operations, against the server's schema. Returns them as they were written, too.
    async fn understand(
        &self,
        database: &str,
        operations: &str,
    ) -> Result<(Vec<Operation>, Value), Failure> {
        if operations.len() > LARGEST {
            return Err(failure(
                FailureCode::Limit,
                format!(
                    "operations of {} bytes are larger than the limit of {LARGEST} bytes; send several transactions",
                    operations.len()
                ),
            ));
        }
        self.budget.requests(1, operations.len())?;
        let wrong = |error: &dyn std::fmt::Display| {
            failure(
                FailureCode::Invalid,
                format!("the operations of the OVSDB transaction: {error}"),
            )
        };
        // A text that is small as such can be a tree that is not.
        document::check(operations, LARGEST).map_err(|error| wrong(&error))?;
        let asked =
            crate::backends::ovsdb::json::parse(operations).map_err(|error| wrong(&error))?;
        let schema = self.backends.ovsdb.schema(database).await?;
        let mut uuids = RandomUuids::open()
            .map_err(|error| failure(FailureCode::Internal, format!("/dev/urandom: {error}")))?;
        Ok((parse(&schema, &asked, &mut uuids)?, asked))
    }

    async fn attempt(
        &self,
        grant: &OvsdbGrant,
        schema: &Schema,
        operations: &[Operation],
        asked: &Value,
    ) -> Result<Vec<Value>, Stopped> {
        let server = &*self.backends.ovsdb;
        let scope = match grant.covers_all_rows() {
            true => None,
            false => Some(Scope::read(server, schema, grant).await?),
        };
        let changes = operations.iter().any(Operation::changes);
        let mut effect = match changes || scope.is_some() {
            true => effect(server, schema, operations, scope.is_some()).await?,
            false => Effect::default(),
        };
        if let Some(scope) = &scope {
            scope
                .check(operations, &effect)
                .map_err(|failure| self.refuse(failure))?;
            effect.guards.extend(scope.guards(operations, &effect));
        }
        let wanted = operations;
        let show = |results| match &scope {
            Some(scope) => scope.show(wanted, results),
            None => results,
        };
        let asking;
        let operations = match &scope {
            Some(_) => {
                asking = Scope::asking(operations);
                &asking
            }
            None => operations,
        };
        let aborts = operations.contains(&Operation::Abort);
        if self.mode == Mode::Rehearse && changes {
            let change = Rehearsed::Ovsdb {
                database: schema.name.clone(),
                operations: asked.clone(),
            };
            self.recorder.rehearsed(&self.plugin, change);
            if aborts {
                return Err(Stopped::Failed(failure(
                    FailureCode::Cancelled,
                    "the OVSDB transaction was aborted by its own `abort`",
                )));
            }
            let seen = self.look(schema, operations).await?;
            return Ok(show(answer::rehearsed(operations, &effect, seen)));
        }
        if changes && !aborts {
            self.note(schema, operations, &effect).await?;
        }
        let results = self.commit(schema, operations, &effect).await?;
        if !aborts {
            let interfaces = effect
                .changes
                .iter()
                .filter(|change| change.table == "Interface");
            let mut touched = unpoisoned(&self.progress_of_ovsdb.interfaces);
            touched.extend(interfaces.map(|change| change.uuid.clone()));
        }
        Ok(show(results))
    }

    /// Runs what a rehearsal may run: the selects, and the waits that come before the first change.
    async fn look(
        &self,
        schema: &Schema,
        operations: &[Operation],
    ) -> Result<Vec<(usize, Value)>, Failure> {
        let first_change = operations.iter().position(Operation::changes);
        let harmless =
            operations
                .iter()
                .enumerate()
                .filter(|(number, operation)| match operation {
                    Operation::Select { .. } => true,
                    Operation::Wait { .. } => first_change.is_none_or(|first| *number < first),
                    _ => false,
                });
        let (numbers, looks): (Vec<_>, Vec<_>) = harmless
            .map(|(number, operation)| (number, operation.to_json()))
            .unzip();
        if looks.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.backends.ovsdb.transact(&schema.name, &looks).await;
        let results =
            results.map_err(|error| answer::renumbered(error, |number| numbers[number]))?;
        Ok(numbers.into_iter().zip(results.into_json()).collect())
    }

    /// Lets the recorder note what the operations will change.
    async fn note(
        &self,
        schema: &Schema,
        operations: &[Operation],
        effect: &Effect,
    ) -> Result<(), Failure> {
        let image = image(&*self.backends.ovsdb, schema, effect).await?;
        let kernel = &*self.backends.kernel;
        self.recorder
            .before_links_change(&self.plugin, kernel, &links(&image))
            .await?;
        let image = serde_json::to_value(&image)
            .map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
        let lines = answer::lines(operations, effect);
        self.recorder
            .before_ovsdb(&self.plugin, &schema.name, &lines, image)
            .await
    }

    /// Sends the operations after the guards and the host's comment; where they change something, with a request to ovs-vswitchd to confirm
    /// it. Returns their results alone.
    async fn commit(
        &self,
        schema: &Schema,
        operations: &[Operation],
        effect: &Effect,
    ) -> Result<Vec<Value>, Stopped> {
        let comment = match self.recorder.transaction() {
            Some(transaction) => format!("op-dbus {transaction}: {}", self.plugin),
            None => format!("op-dbus: {}", self.plugin),
        };
        let comment = Operation::Comment(comment);
        let ahead = effect.guards.len();
        let changes = operations.iter().any(Operation::changes);
        let request =
            settle::request(schema).filter(|_| changes && !operations.contains(&Operation::Abort));
        // The comment goes first: an `abort` among the operations ends the transaction where it stands.
        let all: Vec<Value> = effect
            .guards
            .iter()
            .chain([&comment])
            .chain(operations)
            .map(Operation::to_json)
            .chain(request.clone().into_iter().flatten())
            .collect();
        let progress = &self.progress_of_ovsdb;
        match self.backends.ovsdb.transact(&schema.name, &all).await {
            Ok(results) => {
                let after = ahead + 1 + operations.len();
                if request.is_some() {
                    progress.note_requested(&schema.name, settle::requested(&results, after));
                }
                let mut results = results.into_json();
                results.truncate(after);
                Ok(results.split_off(ahead + 1))
            }
            Err(OvsdbError::Conflict { number, .. }) if number < ahead => Err(Stopped::Moved),
            Err(OvsdbError::EffectUnknown { cause }) => {
                progress.note_requested(&schema.name, None);
                match answer::took_effect(&*self.backends.ovsdb, schema, effect).await {
                    Ok(Some(true)) => Ok(answer::rehearsed(operations, effect, Vec::new())),
                    Ok(Some(false)) => Err(Stopped::Moved),
                    Ok(None) | Err(_) => Err(OvsdbError::EffectUnknown { cause }.into()),
                }
            }
            Err(error) => {
                Err(answer::renumbered(error, |number| number.saturating_sub(ahead + 1)).into())
            }
        }
    }

    /// Waits until ovs-vswitchd has carried out what was committed, and asks how it fared with the interfaces that this plugin touched.
    pub async fn settle(&self, database: &str) -> Result<(), Failure> {
        self.database(database)?;
        match self.mode {
            // `next_cfg` is raised to get an answer: that is a change.
            Mode::Read | Mode::Checkpoint => {
                return Err(failure(
                    FailureCode::Denied,
                    "query, verify and checkpoint may read only; settle belongs into apply and rollback",
                ));
            }
            Mode::Rehearse => return Ok(()),
            Mode::Pure | Mode::Change => {}
        }
        let requested = unpoisoned(&self.progress_of_ovsdb.requested)
            .get(database)
            .copied();
        match requested {
            Some(wanted) => self.backends.ovsdb.settled(database, wanted).await?,
            None => self.backends.ovsdb.settle(database).await?,
        }
        let touched = unpoisoned(&self.progress_of_ovsdb.interfaces).clone();
        let schema = self.backends.ovsdb.schema(database).await?;
        if touched.is_empty() || schema.column("Interface", "error").is_none() {
            return Ok(());
        }
        // One look for all: the interfaces in error are few.
        let select = json!({"op": "select", "table": "Interface", "where": [["error", "!=", ["set", []]]],
                            "columns": ["_uuid", "name", "error"]});
        let results = self.backends.ovsdb.transact(database, &[select]).await?;
        let failed = results.rows(0).find_map(|row| {
            let uuid = crate::backends::ovsdb::operation::uuid_of(row)?;
            let text = |column: &str| row.get(column).and_then(Value::as_str);
            touched
                .contains(&uuid)
                .then(|| interface_error(text("name")?, text("error")?))
                .flatten()
        });
        failed.map_or(Ok(()), Err)
    }
}

fn interface_error(name: &str, error: &str) -> Option<Failure> {
    Some(Failure {
        code: FailureCode::Refused,
        message: format!("ovs-vswitchd could not make interface {name}"),
        backend: Some(BackendError {
            name: "Interface.error".to_owned(),
            text: Some(error.to_owned()),
        }),
    })
}

/// Why an attempt ended.
enum Stopped {
    /// The rows are not any more what they were when the effect was worked out. Nothing took effect.
    Moved,
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<OvsdbError> for Stopped {
    fn from(error: OvsdbError) -> Self {
        Self::Failed(error.into())
    }
}

/// The one row of this table is the database's root.
fn is_root_table(schema: &Schema, table: &str) -> bool {
    schema
        .tables
        .get(table)
        .is_some_and(|table| table.is_root && table.max_rows == Some(1))
}

/// Whether the grant covers operations as far as tables and columns go.
fn covers_operations(
    grant: &OvsdbGrant,
    schema: &Schema,
    operations: &[Operation],
) -> Result<(), Failure> {
    for operation in operations {
        let (Some(table), Some(verb)) = (operation.table(), Verb::named(operation.verb())) else {
            continue;
        };
        if !grant.covers_operation(table, verb) {
            return Err(denied(
                &format!("{verb} on table {table:?}"),
                &format!("tables.{table}"),
            ));
        }
        if !operation.changes() || !is_root_table(schema, table) {
            continue;
        }
        if matches!(
            operation,
            Operation::Insert { .. } | Operation::Delete { .. }
        ) {
            return Err(failure(
                FailureCode::Denied,
                format!(
                    "the row of table {table} holds all there is: no grant covers {verb} on it"
                ),
            ));
        }
        let columns = operation.changed_columns();
        if let Some(column) = columns
            .into_iter()
            .find(|column| !grant.covers_root_column(column))
        {
            return Err(denied(
                &format!("changes to column {column:?} of table {table}"),
                "root_columns",
            ));
        }
    }
    Ok(())
}
