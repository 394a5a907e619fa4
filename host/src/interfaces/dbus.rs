//! `dbus`: services on a message bus.

use std::time::Duration;

use wasmtime::component::Resource;

use super::Ctx;
use crate::boundary::{Asked, cross, from_value};
use crate::contract::dbus::{
    Host, HostSubscription, MethodCall, Property, Reply, Signal, SignalMatch,
};
use crate::contract::types::Failure;
use crate::gate::dbus as gate;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

/// A subscription of a plugin.
pub struct Subscription {
    /// Which of the call's subscriptions it is, from 1, for those who listen at the boundary.
    number: u32,
    /// Absent where somebody else answers in the host's place.
    signals: Option<gate::Subscription>,
}

impl Host for Ctx {
    async fn call(&mut self, message: MethodCall) -> Answer<Reply> {
        let gate = &self.gate;
        cross!(self, "dbus.call", [message], gate.call(message).await)
    }

    async fn call_all(
        &mut self,
        messages: Vec<MethodCall>,
    ) -> wasmtime::Result<Vec<Result<Reply, Failure>>> {
        let gate = &self.gate;
        cross!(
            self,
            "dbus.call-all",
            [messages],
            gate.call_all(messages).await
        )
    }

    async fn get_property(&mut self, of: Property) -> Answer<String> {
        let gate = &self.gate;
        cross!(
            self,
            "dbus.get-property",
            [of],
            gate.get_property(&of).await
        )
    }

    async fn has_owner(&mut self, name: String) -> Answer<bool> {
        let gate = &self.gate;
        cross!(self, "dbus.has-owner", [name], gate.has_owner(&name).await)
    }

    async fn subscribe(&mut self, to: SignalMatch) -> Answer<Resource<Subscription>> {
        const CALL: &str = "dbus.subscribe";
        let mut signals = None;
        let answer: Result<(), Failure> =
            match self.crossings.ask(CALL, || serde_json::json!([to]))? {
                Asked::Instead(answer) => from_value(CALL, answer)?,
                Asked::Host(arguments) => {
                    let subscribed = self.gate.subscribe(to).await;
                    let answer = subscribed.map(|subscription| signals = Some(subscription));
                    self.crossings.tell(CALL, arguments, answer)?
                }
            };
        if let Err(failure) = answer {
            if signals.is_some() {
                self.gate.unsubscribe();
            }
            return Ok(Err(failure));
        }
        self.subscriptions += 1;
        let number = self.subscriptions;
        Ok(Ok(self.table.push(Subscription { number, signals })?))
    }
}

impl HostSubscription for Ctx {
    async fn next(
        &mut self,
        subscription: Resource<Subscription>,
        timeout_ms: u32,
    ) -> Answer<Option<Signal>> {
        let gate = &self.gate;
        let subscription = self.table.get_mut(&subscription)?;
        let number = subscription.number;
        let within = Duration::from_millis(timeout_ms.into());
        cross!(
            self,
            "dbus.subscription.next",
            [number, timeout_ms],
            match &mut subscription.signals {
                Some(signals) => gate.next(signals, within).await,
                None => Ok(None),
            }
        )
    }

    async fn drop(&mut self, subscription: Resource<Subscription>) -> wasmtime::Result<()> {
        if self.table.delete(subscription)?.signals.is_some() {
            self.gate.unsubscribe();
        }
        Ok(())
    }
}
