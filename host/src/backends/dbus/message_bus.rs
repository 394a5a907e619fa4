//! What can be asked of a message bus.

use async_trait::async_trait;

use super::bus::Bus;
use super::call::Outgoing;
use super::signal::Subscription;
use super::value::Secrets;
use crate::contract::dbus::{Reply, Signal, SignalMatch};
use crate::contract::types::Failure;

/// A message bus; the real one, and a simulated one where a plugin is tested.
#[async_trait]
pub trait MessageBus: Send + Sync {
    /// The bus as a grant names it.
    fn word(&self) -> &str;

    /// See [`Bus::call_all`].
    async fn call_all(&self, calls: &[Outgoing<'_>]) -> Vec<Result<Reply, Failure>>;

    /// See [`Bus::has_owner`].
    ///
    /// # Errors
    /// As there; so for all.
    async fn has_owner(&self, name: &str) -> Result<bool, Failure>;

    /// See [`Bus::owner`].
    async fn owner(&self, name: &str) -> Result<Option<String>, Failure>;

    /// See [`Bus::names`].
    async fn names(&self) -> Result<Vec<String>, Failure>;

    /// See [`Bus::subscribe`].
    async fn subscribe(&self, to: SignalMatch) -> Result<Box<dyn Signals>, Failure>;
}

/// Signals that match, from the moment of subscribing on.
#[async_trait]
pub trait Signals: Send {
    /// Waits for the next one; nothing where none will ever come. `secrets` says what is secret of it. May be dropped at any time without
    /// losing one.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    async fn next(&mut self, secrets: &dyn Secrets) -> Result<Option<Signal>, Failure>;
}

#[async_trait]
impl MessageBus for Bus {
    fn word(&self) -> &str {
        self.address().word()
    }

    async fn call_all(&self, calls: &[Outgoing<'_>]) -> Vec<Result<Reply, Failure>> {
        Bus::call_all(self, calls).await
    }

    async fn has_owner(&self, name: &str) -> Result<bool, Failure> {
        Bus::has_owner(self, name).await
    }

    async fn owner(&self, name: &str) -> Result<Option<String>, Failure> {
        Bus::owner(self, name).await
    }

    async fn names(&self) -> Result<Vec<String>, Failure> {
        Bus::names(self).await
    }

    async fn subscribe(&self, to: SignalMatch) -> Result<Box<dyn Signals>, Failure> {
        Ok(Box::new(Bus::subscribe(self, to).await?))
    }
}

#[async_trait]
impl Signals for Subscription {
    async fn next(&mut self, secrets: &dyn Secrets) -> Result<Option<Signal>, Failure> {
        Subscription::next(self, secrets).await.map(Some)
    }
}
