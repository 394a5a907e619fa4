//! Brings back the rows that a transaction changed in an OVSDB database, and those alone.
//!
//! It reads what is, plans, sends the plan as one transaction and reads again, until all is as it was or nothing helps any more. Every
//! step starts from what is there, so it may be killed and run again. Rows that are gone are made anew under the UUIDs that they had, so
//! that whoever refers to them still does. At the end ovs-vswitchd has carried it out: the links are there that hang from the rows.

mod now;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::record::Difference;
use super::undoers::BackendUndo;
use crate::backends::netlink::Kernel;
use crate::backends::ovsdb::effect::{RowKey, effect};
use crate::backends::ovsdb::image::{Image, RowImage, image, links, merged};
use crate::backends::ovsdb::operation::Operation;
use crate::backends::ovsdb::{OvsdbError, Schema, Server, settle};
use crate::contract::types::{Failure, FailureCode};
use crate::gate::Recorder;
use crate::plugin::failure::describe;
use now::Now;
use plan::plan;

/// More rounds than the rows that a server could refuse one after another, in any undo that has a chance.
const MOST_ROUNDS: u32 = 16;

/// Restores rows of an OVSDB server from [`Image`]s.
pub struct OvsdbUndo {
    /// The server.
    pub server: Arc<dyn Server>,
    /// The kernel, whose links come and go with rows.
    pub kernel: Arc<dyn Kernel>,
}

#[async_trait]
impl BackendUndo for OvsdbUndo {
    async fn restore(
        &self,
        plugin: &str,
        images: &[&Value],
        recorder: &dyn Recorder,
    ) -> Result<Vec<Difference>, Failure> {
        let images: Vec<Image> = images
            .iter()
            .map(|image| serde_json::from_value((*image).clone()))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure {
                code: FailureCode::Internal,
                message: format!("an image of OVSDB rows cannot be read: {error}"),
                backend: None,
            })?;
        let mut left = Vec::new();
        for (database, rows) in merged(images) {
            let restoring = Restoring {
                server: &*self.server,
                kernel: &*self.kernel,
                plugin,
                recorder,
                rows,
                refusals: BTreeMap::new(),
            };
            left.extend(restoring.run(&database).await?);
        }
        Ok(left)
    }
}

/// One undo on one database.
struct Restoring<'a> {
    server: &'a dyn Server,
    kernel: &'a dyn Kernel,
    plugin: &'a str,
    recorder: &'a dyn Recorder,
    rows: Vec<RowImage>,
    /// Rows that the server refuses to restore, with its words.
    refusals: BTreeMap<RowKey, String>,
}

impl Restoring<'_> {
    async fn run(mut self, database: &str) -> Result<Vec<Difference>, Failure> {
        // A row that a whole transaction fails by is left out of the next.
        let mut whole_refusal = None;
        let mut requested = None;
        let mut rounds = 0;
        let differences = loop {
            pass("ovsdb-undo.before-read")?;
            let schema = self.server.schema(database).await?;
            let now = Now::read(self.server, &schema, &self.rows).await?;
            let plan = plan(&schema, &self.rows, &now, &self.refusals);
            if plan.steps.is_empty() || rounds == MOST_ROUNDS || whole_refusal.is_some() {
                break plan.differences(whole_refusal.as_deref());
            }
            rounds += 1;
            pass("ovsdb-undo.before-transact")?;
            let sent = self.send(&schema, &plan.operations()).await;
            pass("ovsdb-undo.after-transact")?;
            match sent {
                Ok(number) => requested = number,
                // It may have taken effect, with a number that nobody told.
                Err(Refusal::Moved) => requested = None,
                Err(Refusal::Step(number, because)) => {
                    self.refusals
                        .insert(plan.steps[number].row.clone(), because);
                }
                Err(Refusal::Whole(because)) => whole_refusal = Some(because),
                Err(Refusal::Failed(failure)) => return Err(failure),
            }
        };
        // Without it the kernel's links would not be there yet, and what hangs from them could not be restored. Repeated after a kill, too:
        // who was killed may not have waited.
        let settled = match requested {
            Some(number) => self.server.settled(database, number).await,
            None => self.server.settle(database).await,
        };
        if let Err(error) = settled {
            tracing::warn!("the OVSDB rows are restored, but {error}");
        }
        pass("ovsdb-undo.done")?;
        Ok(differences)
    }

    /// Sends operations as one transaction; the configuration that ovs-vswitchd is asked to confirm with it.
    async fn send(
        &self,
        schema: &Schema,
        operations: &[Operation],
    ) -> Result<Option<i64>, Refusal> {
        let effect = effect(self.server, schema, operations, false).await?;
        let image = image(self.server, schema, &effect).await?;
        self.recorder
            .before_links_change(self.plugin, self.kernel, &links(&image))
            .await
            .map_err(Refusal::Failed)?;
        let image = serde_json::to_value(&image).map_err(|error| {
            Refusal::Failed(Failure {
                code: FailureCode::Internal,
                message: error.to_string(),
                backend: None,
            })
        })?;
        let lines: Vec<String> = operations.iter().map(line).collect();
        self.recorder
            .before_ovsdb(self.plugin, &schema.name, &lines, image)
            .await
            .map_err(Refusal::Failed)?;
        let ahead = effect.guards.len();
        let comment = Operation::Comment(format!("op-dbus: undo of {}", self.plugin));
        let durable = Operation::Commit { durable: true };
        let request = settle::request(schema);
        let mut all: Vec<Value> = effect
            .guards
            .iter()
            .chain(operations)
            .chain([&comment, &durable])
            .map(Operation::to_json)
            .collect();
        let after = all.len();
        all.extend(request.into_iter().flatten());
        match self.server.transact(&schema.name, &all).await {
            Ok(results) => Ok(settle::requested(&results, after)),
            Err(OvsdbError::Conflict { .. } | OvsdbError::EffectUnknown { .. }) => {
                Err(Refusal::Moved)
            }
            Err(error @ OvsdbError::Operation { number, .. })
                if (ahead..ahead + operations.len()).contains(&number) =>
            {
                Err(Refusal::Step(number - ahead, describe(&error.into())))
            }
            Err(
                error @ (OvsdbError::Commit { .. }
                | OvsdbError::Operation { .. }
                | OvsdbError::Refused { .. }),
            ) => Err(Refusal::Whole(describe(&error.into()))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a plan was not carried out.
enum Refusal {
    /// Something changed in between, or it is unknown whether it took effect: to be looked at again.
    Moved,
    /// The server refused this step.
    Step(usize, String),
    /// It refused the whole.
    Whole(String),
    /// The server is gone, or what is done could not be noted.
    Failed(Failure),
}

impl From<OvsdbError> for Refusal {
    fn from(error: OvsdbError) -> Self {
        Self::Failed(error.into())
    }
}

fn line(operation: &Operation) -> String {
    let columns = operation.changed_columns().join(", ");
    let table = operation.table().unwrap_or_default();
    let row = match operation {
        Operation::Insert { uuid, .. } => uuid.clone(),
        other => {
            let uuids = other.conditions().unwrap_or_default().iter();
            uuids
                .flat_map(|condition| condition.value.uuids())
                .collect::<Vec<_>>()
                .join(" ")
        }
    };
    format!("{} {table} {row}: {columns}", operation.verb())
}

fn pass(name: &'static str) -> Result<(), Failure> {
    let _ = name;
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    super::failpoint::pass(name).map_err(|error| Failure {
        code: FailureCode::Internal,
        message: error.to_string(),
        backend: None,
    })?;
    Ok(())
}
