//! Verification that waits for the system to settle: driven by events, bounded by a deadline.

mod monitors;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::plan::{Part, mismatches};
use crate::backends::dbus::Signals;
use crate::backends::dbus::value::NoSecrets;
use crate::backends::netlink::{Events, Group, Netlink};
use crate::backends::ovsdb::Lazy;
use crate::contract::dbus::SignalMatch;
use crate::contract::exports::op_dbus::plugin::state::{Mismatch, Watch};
use crate::contract::types::FailureCode;
use crate::plugin::failure::{PluginError, to_error};

/// How long the system may take to come to rest: duplicate address detection takes two seconds, a bridge port with spanning tree longer,
/// but that shows in no attribute that is verified.
pub const SETTLING: Duration = Duration::from_secs(5);

/// What of the kernel means that the system may have come closer to the wish, for whichever plugin.
const WATCHED: [Group; 5] = [
    Group::Links,
    Group::Addresses,
    Group::Routes,
    Group::Rules,
    Group::Neighbours,
];

/// Events that mean that the system may have come closer to the wish.
pub struct News {
    kernel: Events,
    signals: Vec<Box<dyn Signals>>,
}

impl News {
    /// Listens from now on: to the kernel, and to the D-Bus signals that the plugins watch, as far as their grants cover them.
    ///
    /// # Errors
    /// When a backend cannot be listened to, or a plugin cannot be asked.
    pub async fn listen(kernel: &Netlink, parts: &[Part<'_>]) -> anyhow::Result<Self> {
        let kernel = kernel.watch(&WATCHED).map_err(to_error)?;
        let mut signals = Vec::new();
        for part in parts.iter().filter(|part| !part.actions.is_empty()) {
            let caller = &part.caller;
            for watch in caller.watches().await? {
                let Watch::DbusSignal(signal) = watch else {
                    continue;
                };
                let to = SignalMatch {
                    sender: signal.sender,
                    path: None,
                    interface: Some(signal.interface),
                    member: Some(signal.member),
                };
                let grant = caller.plugin.grant.dbus.as_ref();
                if grant.is_some_and(|grant| grant.may_hear(&to)) {
                    signals.push(caller.backends.bus.subscribe(to).await.map_err(to_error)?);
                }
            }
        }
        Ok(Self { kernel, signals })
    }

    /// Waits for the next event, or for word that some were lost: either way something may have changed. False when no more can come.
    async fn next(&mut self) -> bool {
        let mut waits: Vec<_> = self
            .signals
            .iter_mut()
            .map(|signals| signals.next(&NoSecrets))
            .collect();
        let signal = poll_fn(|context| {
            for (number, wait) in waits.iter_mut().enumerate() {
                if let Poll::Ready(signal) = Pin::new(wait).poll(context) {
                    return Poll::Ready((number, signal));
                }
            }
            Poll::Pending
        });
        let lost = tokio::select! {
            event = self.kernel.next() => return event.is_ok(),
            (number, signal) = signal => match signal {
                Ok(None) => Some(number),
                Err(failure) if failure.code == FailureCode::Unavailable => Some(number),
                _ => None,
            },
        };
        drop(waits);
        if let Some(number) = lost {
            self.signals.swap_remove(number);
        }
        true
    }
}

/// Verifies until all parts agree with their wish, or the deadline passes: again after every event, never after a mere pause. Returns
/// what differs in the end.
///
/// # Errors
/// What a plugin says to `verify` and `watches`.
pub async fn verify(
    parts: &[Part<'_>],
    mut news: News,
    ovsdb: &Lazy,
    within: Duration,
) -> Result<Vec<(String, Vec<Mismatch>)>, PluginError> {
    let deadline = Instant::now() + within;
    let mut rows = None;
    loop {
        let found = mismatches(parts).await?;
        if found.is_empty() || failpoint!("settle.waiting").is_err() {
            return Ok(found);
        }
        // Only now, and only where OVSDB was used at all: most have nothing to do with it. That nothing was missed is sure, because a
        // monitor begins with what is: that counts as an event.
        let rows = match &mut rows {
            Some(rows) => rows,
            none => none.insert(monitors::watch(parts, ovsdb).await?),
        };
        let event = async {
            tokio::select! {
                event = news.next() => event,
                event = monitors::any(rows) => event.is_ok(),
            }
        };
        // Without events there is nothing to wait for.
        match timeout_at(deadline, event).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Ok(found),
        }
    }
}
