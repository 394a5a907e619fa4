//! Signals that a test laid down for a subscriber.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::Failure;
use crate::bindings::op_dbus::plugin::dbus::Signal;

/// The native stand-in of `dbus`'s resource `subscription`: gives out its signals in order, then says that none came.
#[derive(Debug)]
pub struct Subscription(Rc<RefCell<VecDeque<Signal>>>);

impl Subscription {
    /// A subscription that will deliver these signals.
    pub fn new(signals: impl IntoIterator<Item = Signal>) -> Self {
        Self::shared(Rc::new(RefCell::new(signals.into_iter().collect())))
    }

    /// A subscription that delivers what comes into this queue.
    pub(super) fn shared(signals: Rc<RefCell<VecDeque<Signal>>>) -> Self {
        Self(signals)
    }

    /// The next signal, or nothing when there is none left. The time is not waited for.
    ///
    /// # Errors
    /// None here; the host's fails with `limit` when signals were lost.
    pub fn next(&self, timeout_ms: u32) -> Result<Option<Signal>, Failure> {
        let _ = timeout_ms;
        Ok(self.0.borrow_mut().pop_front())
    }
}
