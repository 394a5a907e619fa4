//! `dbus`: services on a message bus.

use std::time::Duration;

use wasmtime::component::Resource;

use super::Ctx;
use crate::contract::dbus::{
    Host, HostSubscription, MethodCall, Property, Reply, Signal, SignalMatch,
};
use crate::contract::types::Failure;
use crate::gate::dbus::Subscription;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn call(&mut self, message: MethodCall) -> Answer<Reply> {
        Ok(self.gate.call(message).await)
    }

    async fn call_all(
        &mut self,
        messages: Vec<MethodCall>,
    ) -> wasmtime::Result<Vec<Result<Reply, Failure>>> {
        Ok(self.gate.call_all(messages).await)
    }

    async fn get_property(&mut self, of: Property) -> Answer<String> {
        Ok(self.gate.get_property(&of).await)
    }

    async fn has_owner(&mut self, name: String) -> Answer<bool> {
        Ok(self.gate.has_owner(&name).await)
    }

    async fn subscribe(&mut self, to: SignalMatch) -> Answer<Resource<Subscription>> {
        match self.gate.subscribe(to).await {
            Ok(subscription) => Ok(Ok(self.table.push(subscription)?)),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl HostSubscription for Ctx {
    async fn next(
        &mut self,
        subscription: Resource<Subscription>,
        timeout_ms: u32,
    ) -> Answer<Option<Signal>> {
        let subscription = self.table.get_mut(&subscription)?;
        let within = Duration::from_millis(timeout_ms.into());
        Ok(self.gate.next(subscription, within).await)
    }

    async fn drop(&mut self, subscription: Resource<Subscription>) -> wasmtime::Result<()> {
        drop(self.table.delete(subscription)?);
        self.gate.unsubscribe();
        Ok(())
    }
}
