//! `ovsdb`: Open vSwitch's database.

use super::Ctx;
use crate::contract::ovsdb::Host;
use crate::contract::types::Failure;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn databases(&mut self) -> Answer<Vec<String>> {
        Ok(self.gate.databases().await)
    }

    async fn schema(&mut self, database: String) -> Answer<String> {
        Ok(self.gate.schema(&database).await)
    }

    async fn transact(&mut self, database: String, operations: String) -> Answer<String> {
        Ok(self.gate.transact(&database, &operations).await)
    }

    async fn settle(&mut self, database: String) -> Answer<()> {
        Ok(self.gate.settle(&database).await)
    }
}
