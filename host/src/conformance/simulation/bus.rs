//! The simulated message bus.

use async_trait::async_trait;
use op_dbus_plugin::dbus;

use super::{Mock, answer, carried};
use crate::backends::dbus::value::Secrets;
use crate::backends::dbus::{MessageBus, Outgoing, Signals, check};
use crate::contract::dbus::{Reply, Signal, SignalMatch};
use crate::contract::types::Failure;

/// The unique name of everybody who is on the bus.
const PEER: &str = ":1.1";

/// The message bus of a simulated host: a system bus.
pub struct SimulatedBus {
    /// Where its peers live.
    pub mock: Mock,
    /// The well-known names that are owned.
    pub names: Vec<String>,
}

#[async_trait]
impl MessageBus for SimulatedBus {
    fn word(&self) -> &str {
        "system"
    }

    async fn call_all(&self, calls: &[Outgoing<'_>]) -> Vec<Result<Reply, Failure>> {
        let one = |outgoing: &Outgoing<'_>| {
            // What no message could hold does not get to the mock, which is less strict.
            check(outgoing)?;
            let call: dbus::MethodCall = carried(outgoing.call);
            answer(self.mock.within(move |_| dbus::call(&call)))
        };
        calls.iter().map(one).collect()
    }

    async fn has_owner(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.owner(name).await?.is_some())
    }

    async fn owner(&self, name: &str) -> Result<Option<String>, Failure> {
        let owned = self.names.iter().any(|owned| owned == name) || name == PEER;
        Ok(owned.then(|| PEER.to_owned()))
    }

    async fn names(&self) -> Result<Vec<String>, Failure> {
        Ok(self.names.iter().cloned().chain([PEER.into()]).collect())
    }

    async fn subscribe(&self, to: SignalMatch) -> Result<Box<dyn Signals>, Failure> {
        let to: dbus::SignalMatch = carried(&to);
        let held = self.mock.within(move |host| {
            let subscription = dbus::subscribe(&to)?;
            Ok::<_, op_dbus_plugin::Failure>(host.keep(subscription))
        });
        let number: usize = answer(held)?;
        Ok(Box::new(SimulatedSignals {
            mock: self.mock.clone(),
            number,
        }))
    }
}

/// A subscription; the mock's own stays on the mock's thread.
struct SimulatedSignals {
    mock: Mock,
    number: usize,
}

#[async_trait]
impl Signals for SimulatedSignals {
    /// Time does not pass on a simulated host: where no signal waits, none will come.
    async fn next(&mut self, _: &dyn Secrets) -> Result<Option<Signal>, Failure> {
        let number = self.number;
        let next = self.mock.within(move |host| host.kept(number).next(0));
        answer(next)
    }
}
