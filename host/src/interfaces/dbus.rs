//! `dbus`: services on a message bus.

use wasmtime::component::Resource;

use super::Ctx;
use crate::contract::dbus::{
    Host, HostSubscription, MethodCall, Property, Reply, Signal, SignalMatch, Subscription,
};
use crate::contract::types::Failure;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn call(&mut self, _message: MethodCall) -> Answer<Reply> {
        Ok(Err(self.gate.without("dbus")))
    }

    async fn call_all(
        &mut self,
        messages: Vec<MethodCall>,
    ) -> wasmtime::Result<Vec<Result<Reply, Failure>>> {
        Ok(messages
            .iter()
            .map(|_| Err(self.gate.without("dbus")))
            .collect())
    }

    async fn get_property(&mut self, _of: Property) -> Answer<String> {
        Ok(Err(self.gate.without("dbus")))
    }

    async fn has_owner(&mut self, _name: String) -> Answer<bool> {
        Ok(Err(self.gate.without("dbus")))
    }

    async fn subscribe(&mut self, _to: SignalMatch) -> Answer<Resource<Subscription>> {
        Ok(Err(self.gate.without("dbus")))
    }
}

impl HostSubscription for Ctx {
    async fn next(
        &mut self,
        _subscription: Resource<Subscription>,
        _timeout_ms: u32,
    ) -> Answer<Option<Signal>> {
        Ok(Err(self.gate.without("dbus")))
    }

    async fn drop(&mut self, _subscription: Resource<Subscription>) -> wasmtime::Result<()> {
        Ok(())
    }
}
