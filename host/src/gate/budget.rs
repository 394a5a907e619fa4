//! How much one call into a plugin may still ask for.

use std::sync::atomic::{AtomicU64, Ordering};

use super::failure;
use crate::contract::types::{Failure, FailureCode};

/// So many denials of one call are recorded one by one; a plugin that goes on asking must fill neither log nor memory.
const DENIALS_NOTED: u64 = 100;

/// What the record of a request takes besides its text: names of fields, time, hashes.
const WEIGHT_OF_A_REQUEST: u64 = 256;

/// What is left of the limits of one call into a plugin.
#[derive(Debug)]
pub struct Budget {
    /// Calls to the host.
    pub calls: AtomicU64,
    /// Bytes of requests for changes, each with `WEIGHT_OF_A_REQUEST` more.
    pub requests: AtomicU64,
    /// Subscriptions that may still be made.
    pub subscriptions: AtomicU64,
    denials: AtomicU64,
}

/// How a denial is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noting {
    /// As it is.
    Whole,
    /// As one that stands for all that follow.
    Last,
    /// Not at all.
    Not,
}

fn take(left: &AtomicU64, count: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(count)
    })
    .is_ok()
}

impl Budget {
    /// So many calls, bytes of requests and subscriptions.
    pub fn new(calls: u64, requests: u64, subscriptions: u64) -> Self {
        Self {
            calls: calls.into(),
            requests: requests.into(),
            subscriptions: subscriptions.into(),
            denials: DENIALS_NOTED.into(),
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `limit` for one too many. So for all.
    pub fn call(&self) -> Result<(), Failure> {
        let message = "the plugin made more calls to the host than its limit `host-calls` allows";
        spent(take(&self.calls, 1), message)
    }

    /// Counts `count` requests for changes of `bytes` together.
    pub fn requests(&self, count: usize, bytes: usize) -> Result<(), Failure> {
        let weight = WEIGHT_OF_A_REQUEST.saturating_mul(count as u64);
        spent(
            take(&self.requests, weight.saturating_add(bytes as u64)),
            "the plugin asked for more changes than its limit `requests` allows",
        )
    }

    /// Counts a subscription.
    pub fn subscription(&self) -> Result<(), Failure> {
        spent(
            take(&self.subscriptions, 1),
            "the plugin holds more subscriptions than its limit `subscriptions` allows; it drops those that it no longer needs",
        )
    }

    /// One subscription less.
    pub fn unsubscribed(&self) {
        self.subscriptions.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a denial, and says how it is to be recorded.
    pub fn denial(&self) -> Noting {
        let before = self
            .denials
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match before {
            Ok(1) => Noting::Last,
            Ok(_) => Noting::Whole,
            Err(_) => Noting::Not,
        }
    }
}

fn spent(granted: bool, message: &str) -> Result<(), Failure> {
    match granted {
        true => Ok(()),
        false => Err(failure(FailureCode::Limit, message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_spent_and_a_refusal_costs_nothing() {
        let budget = Budget::new(1, 1_000, 1);
        assert!(budget.call().is_ok());
        assert_eq!(budget.call().unwrap_err().code, FailureCode::Limit);
        assert!(budget.requests(1, 745).is_err());
        assert!(budget.requests(1, 744).is_ok());
        assert!(budget.requests(usize::MAX, usize::MAX).is_err());
        assert!(budget.subscription().is_ok());
        assert!(budget.subscription().is_err());
        budget.unsubscribed();
        assert!(budget.subscription().is_ok());
    }

    #[test]
    fn the_last_denial_that_is_recorded_stands_for_all_that_follow() {
        let budget = Budget::new(0, 0, 0);
        let noted: Vec<_> = (0..200).map(|_| budget.denial()).collect();
        assert_eq!(noted[98], Noting::Whole);
        assert_eq!(noted[99], Noting::Last);
        assert!(noted[100..].iter().all(|noting| *noting == Noting::Not));
    }
}
