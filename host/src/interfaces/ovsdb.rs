//! `ovsdb`: Open vSwitch's database.

use super::Ctx;
use crate::contract::ovsdb::Host;
use crate::contract::types::Failure;

impl Host for Ctx {
    async fn databases(&mut self) -> wasmtime::Result<Result<Vec<String>, Failure>> {
        Ok(Err(self.gate.without("ovsdb")))
    }

    async fn schema(&mut self, _database: String) -> wasmtime::Result<Result<String, Failure>> {
        Ok(Err(self.gate.without("ovsdb")))
    }

    async fn transact(
        &mut self,
        _database: String,
        _operations: String,
    ) -> wasmtime::Result<Result<String, Failure>> {
        Ok(Err(self.gate.without("ovsdb")))
    }

    async fn settle(&mut self, _database: String) -> wasmtime::Result<Result<(), Failure>> {
        Ok(Err(self.gate.without("ovsdb")))
    }
}
