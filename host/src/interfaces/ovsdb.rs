//! `ovsdb`: Open vSwitch's database.

use super::Ctx;
use crate::boundary::cross;
use crate::contract::ovsdb::Host;
use crate::contract::types::Failure;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn databases(&mut self) -> Answer<Vec<String>> {
        let gate = &self.gate;
        cross!(self, "ovsdb.databases", [], gate.databases().await)
    }

    async fn schema(&mut self, database: String) -> Answer<String> {
        let gate = &self.gate;
        cross!(
            self,
            "ovsdb.schema",
            [database],
            gate.schema(&database).await
        )
    }

    async fn transact(&mut self, database: String, operations: String) -> Answer<String> {
        let gate = &self.gate;
        cross!(
            self,
            "ovsdb.transact",
            [database, operations],
            gate.transact(&database, &operations).await
        )
    }

    async fn settle(&mut self, database: String) -> Answer<()> {
        let gate = &self.gate;
        cross!(
            self,
            "ovsdb.settle",
            [database],
            gate.settle(&database).await
        )
    }
}
