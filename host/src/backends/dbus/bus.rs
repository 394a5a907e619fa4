//! A message bus, connected when it is first used and again when the connection was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::address::BusAddress;
use super::call::{
    Outgoing, Terms, answer_of, get_of, message_of, reply_of, subject_of, variant_of,
};
use super::error::failure;
use super::link::{Link, WINDOW};
use super::object::Object;
use super::owners::BUS;
use super::signal::Subscription;
use crate::contract::dbus::{MethodCall, Property, Reply, SignalMatch};
use crate::contract::types::{Failure, FailureCode};

/// How much may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The JSON of one reply, or of one signal, in bytes.
    pub reply: usize,
    /// The JSON of all replies to calls that were made together, in bytes.
    pub replies: usize,
    /// How long a service may take to reply.
    pub patience: Duration,
    /// Signals that wait in one subscription.
    pub signals: usize,
    /// Their messages together, in bytes.
    pub signal_bytes: usize,
}

impl Default for Limits {
    /// The contract's size of a document; the patience of libdbus (`DEFAULT_TIMEOUT_VALUE`); a burst of signals such as a restart of a
    /// service with hundreds of objects makes.
    fn default() -> Self {
        Self {
            reply: 64 << 20,
            replies: 256 << 20,
            patience: Duration::from_secs(25),
            signals: 4096,
            signal_bytes: 16 << 20,
        }
    }
}

/// A message bus.
pub struct Bus {
    address: BusAddress,
    limits: Limits,
    link: Mutex<Option<Arc<Link>>>,
    subscriptions: AtomicU64,
    object: Option<Arc<dyn Object>>,
}

impl Bus {
    /// The bus at this address. Nothing happens before it is used.
    pub fn connect(address: BusAddress) -> Self {
        Self::with_limits(address, Limits::default())
    }

    /// As [`Self::connect`], with other limits.
    pub fn with_limits(address: BusAddress, limits: Limits) -> Self {
        Self {
            address,
            limits,
            link: Mutex::default(),
            subscriptions: AtomicU64::new(0),
            object: None,
        }
    }

    /// As [`Self::connect`]; calls that come in go to `object`.
    pub fn exporting(address: BusAddress, object: Arc<dyn Object>) -> Self {
        Self {
            object: Some(object),
            ..Self::connect(address)
        }
    }

    /// Which bus it is.
    pub fn address(&self) -> &BusAddress {
        &self.address
    }

    /// Calls a method and waits for its reply.
    ///
    /// # Errors
    /// - `invalid`: a name, the signature or an argument is wrong; the message names the place inside the arguments.
    /// - `unavailable`: there is no bus, or nobody there owns the destination. Nothing took effect.
    /// - `timeout`: the service or the connection went away before the reply came, or none came within [`Limits::patience`]. Whether it
    ///   took effect is unknown.
    /// - `not-found`, `exists`, `unsupported`, `refused`: an error reply, with its name and text in `backend`.
    /// - `refused` without `backend`: the reply breaks the rules of D-Bus or holds a file descriptor.
    /// - `limit`: the reply is larger than [`Limits::reply`].
    /// - what the terms answer for a secret.
    pub async fn call(&self, call: &MethodCall, terms: Terms<'_>) -> Result<Reply, Failure> {
        let mut answers = self.call_all(&[Outgoing { call, terms }]).await;
        answers.pop().expect("one answer for each call")
    }

    /// Sends calls without waiting for replies between; the answers stand in the order of the calls, and one that failed does not stop the
    /// others.
    ///
    /// No more are on their way at once than dbus-daemon lets a connection have on a system bus, 120; so what waits for the caller is
    /// bounded too.
    pub async fn call_all(&self, calls: &[Outgoing<'_>]) -> Vec<Result<Reply, Failure>> {
        let mut left = self.limits.replies;
        let mut answers = Vec::with_capacity(calls.len());
        for some in calls.chunks(WINDOW) {
            self.call_some(some, &mut left, &mut answers).await;
        }
        answers
    }

    /// As [`Self::call_all`], for as many as may be on their way at once.
    async fn call_some(
        &self,
        calls: &[Outgoing<'_>],
        left: &mut usize,
        answers: &mut Vec<Result<Reply, Failure>>,
    ) {
        let mut messages = Vec::with_capacity(calls.len());
        let mut unsent: Vec<Option<Failure>> = Vec::with_capacity(calls.len());
        for outgoing in calls {
            match message_of(outgoing) {
                Ok(message) => {
                    messages.push(message);
                    unsent.push(None);
                }
                Err(failure) => unsent.push(Some(failure)),
            }
        }
        let mut replies = if messages.is_empty() {
            Vec::new().into_iter()
        } else {
            match self.link().await {
                Ok(link) => link.send(messages).await.into_iter(),
                Err(failure) => {
                    let each = |wrong: Option<Failure>| Err(wrong.unwrap_or(failure.clone()));
                    answers.extend(unsent.into_iter().map(each));
                    return;
                }
            }
        };
        let until = self.until();
        for (outgoing, wrong) in calls.iter().zip(unsent) {
            answers.push(match wrong {
                Some(failure) => Err(failure),
                None => {
                    let subject = subject_of(outgoing.call);
                    let reply = replies.next().expect("one reply for each message");
                    let largest = self.limits.reply.min(*left);
                    let secrets = outgoing.terms.secrets;
                    let answer = answer_of(&subject, reply, until, secrets)
                        .await
                        .and_then(|message| reply_of(&subject, &message, largest, secrets));
                    *left -= answer.as_ref().map_or(0, |reply| reply.values.len());
                    answer
                }
            });
        }
    }

    /// When the patience with calls that are sent now ends.
    fn until(&self) -> Instant {
        Instant::now() + self.limits.patience
    }

    /// Reads a property: its value as a variant, `{"type": SIGNATURE, "data": VALUE}`.
    ///
    /// # Errors
    /// As [`Self::call`]; `refused` when the reply is no variant.
    pub async fn get_property(&self, of: &Property, terms: Terms<'_>) -> Result<String, Failure> {
        variant_of(of, self.call(&get_of(of), terms).await?)
    }

    /// Whether somebody owns the name now; that it could be activated is not enough, and nothing is activated.
    ///
    /// # Errors
    /// `invalid` for what is no bus name, `unavailable` when there is no bus.
    pub async fn has_owner(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.owner(name).await?.is_some())
    }

    /// The unique name of the connection that owns a name now, if one does.
    ///
    /// # Errors
    /// As [`Self::has_owner`].
    pub async fn owner(&self, name: &str) -> Result<Option<String>, Failure> {
        let subject = format!("the owner of {name:?}");
        if let Err(error) = zbus::names::BusName::try_from(name) {
            return Err(failure(FailureCode::Invalid, format!("{subject}: {error}")));
        }
        let answer = self.ask_bus("GetNameOwner", "s", &[name]).await;
        Ok(owned(answer)?.map(|(owner,)| owner))
    }

    /// The process of the connection that owns a name now, if one does (D-Bus specification, `GetConnectionUnixProcessID`).
    ///
    /// # Errors
    /// As [`Self::has_owner`].
    pub async fn process_of(&self, name: &str) -> Result<Option<u32>, Failure> {
        let method = "GetConnectionUnixProcessID";
        let answer = self.ask_bus(method, "s", &[name]).await;
        Ok(owned(answer)?.map(|(process,)| process))
    }

    /// Every name that is owned now, unique ones too.
    ///
    /// # Errors
    /// `unavailable` when there is no bus.
    pub async fn names(&self) -> Result<Vec<String>, Failure> {
        let (names,) = self.ask_bus("ListNames", "", &[]).await?;
        Ok(names)
    }

    /// Asks the bus itself.
    async fn ask_bus<T: serde::de::DeserializeOwned>(
        &self,
        member: &str,
        signature: &str,
        arguments: &[&str],
    ) -> Result<T, Failure> {
        let call = MethodCall {
            destination: BUS.into(),
            path: "/org/freedesktop/DBus".into(),
            interface: BUS.into(),
            member: member.into(),
            signature: signature.into(),
            arguments: serde_json::to_string(arguments).expect("strings are JSON"),
        };
        let reply = self.call(&call, Terms::PLAIN).await?;
        serde_json::from_str(&reply.values).map_err(|error| {
            failure(
                FailureCode::Refused,
                format!("{member}: the bus answered with something else: {error}"),
            )
        })
    }

    /// Subscribes to signals; it holds from the moment that this returns.
    ///
    /// # Errors
    /// `invalid` for a name or path that is none, `unavailable` when there is no bus, `refused` when the bus will not have it.
    pub async fn subscribe(&self, to: SignalMatch) -> Result<Subscription, Failure> {
        let id = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        Subscription::new(self.link().await?, id, to, self.limits, self.until()).await
    }

    /// The connection, a new one if there is none that serves.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let mut slot = self.link.lock().await;
        match &*slot {
            Some(link) if !link.is_spent() => Ok(link.clone()),
            _ => {
                let connection = self.address.connect().await?;
                let link = Arc::new(Link::new(connection, self.object.clone()));
                *slot = Some(link.clone());
                Ok(link)
            }
        }
    }
}

/// What the bus says of a name, if somebody owns it. A bus that is not there gives no words of its own.
fn owned<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.code == FailureCode::Unavailable && failure.backend.is_some() => {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host awaits these on any thread.
    #[test]
    fn its_futures_may_move_between_threads() {
        fn movable(_: impl Send) {}
        let bus = Bus::connect(BusAddress::System);
        let name = "org.example.Any";
        movable(bus.has_owner(name));
        movable(bus.call_all(&[]));
        movable(bus.subscribe(SignalMatch {
            sender: name.into(),
            path: None,
            interface: None,
            member: None,
        }));
    }
}
