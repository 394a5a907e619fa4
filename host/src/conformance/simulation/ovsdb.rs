//! The simulated OVSDB server, and the ovs-vswitchd behind it.

use std::sync::Arc;

use async_trait::async_trait;
use op_dbus_plugin::ovsdb;
use serde_json::Value;

use super::{Mock, carried};
use crate::backends::ovsdb::transact::results_of;
use crate::backends::ovsdb::{OvsdbError, Results, Schema, Server};
use crate::contract::types::Failure;

const REMOTE: &str = "the simulated server";

/// The OVSDB server of a simulated host.
pub struct SimulatedServer(pub Mock);

impl SimulatedServer {
    fn ask<T: Send + 'static>(
        &self,
        method: &str,
        work: impl FnOnce(&op_dbus_plugin::mock::Host) -> Result<T, op_dbus_plugin::Failure>
        + Send
        + 'static,
    ) -> Result<T, OvsdbError> {
        let refused = |failure: Failure| {
            let words = failure.backend.map(|words| (words.name, words.text));
            let (error, details) = words.unwrap_or((failure.message, None));
            OvsdbError::Refused {
                method: method.to_owned(),
                error,
                details,
            }
        };
        match self.0.within(work) {
            Ok(answer) => answer.map_err(|failure| refused(carried(&failure))),
            Err(failure) => Err(refused(failure)),
        }
    }
}

#[async_trait]
impl Server for SimulatedServer {
    async fn databases(&self) -> Result<Vec<String>, OvsdbError> {
        self.ask("list_dbs", |_| ovsdb::databases())
    }

    async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError> {
        let database = database.to_owned();
        let text = self.ask("get_schema", move |_| {
            ovsdb::schema(&database).map_err(|_| unknown_database())
        })?;
        let schema = Schema::parse(&text).map_err(|reason| OvsdbError::Protocol {
            remote: REMOTE.to_owned(),
            reason,
        })?;
        Ok(Arc::new(schema))
    }

    async fn transact(&self, database: &str, operations: &[Value]) -> Result<Results, OvsdbError> {
        let (database, sent) = (database.to_owned(), operations.to_vec());
        let answer = self.ask("transact", move |host| {
            let answer = host.ovs().on_the_wire(&database, &sent);
            answer.map_err(|_| unknown_database())
        })?;
        results_of(operations, answer, REMOTE)
    }

    async fn settle(&self, database: &str) -> Result<(), OvsdbError> {
        let database = database.to_owned();
        self.0
            .within(move |_| ovsdb::settle(&database))
            .ok()
            .and_then(Result::ok)
            .ok_or(OvsdbError::NoSwitch)
    }

    /// The simulated daemon acts when it is waited for.
    async fn settled(&self, database: &str, _: i64) -> Result<(), OvsdbError> {
        self.settle(database).await
    }
}

/// As ovsdb-server says it (RFC 7047 section 4.1.2).
fn unknown_database() -> op_dbus_plugin::Failure {
    op_dbus_plugin::Failure {
        code: op_dbus_plugin::FailureCode::NotFound,
        message: "unknown database".into(),
        backend: None,
    }
}
