//! Verification that waits for the system to settle: driven by events, bounded by a deadline.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::plan::{Part, mismatches};
use crate::backends::netlink::Events;
use crate::contract::exports::op_dbus::plugin::state::Mismatch;
use crate::plugin::failure::PluginError;

/// How long the system may take to come to rest: duplicate address detection takes two seconds, a bridge port with spanning tree longer,
/// but that shows in no attribute that is verified.
pub const SETTLING: Duration = Duration::from_secs(5);

/// Verifies until all parts agree with their wish, or the deadline passes: again after every event, never after a mere pause. Returns
/// what differs in the end.
///
/// # Errors
/// What a plugin says to `verify`.
pub async fn verify(
    parts: &[Part<'_>],
    mut events: Events,
    within: Duration,
) -> Result<Vec<(String, Vec<Mismatch>)>, PluginError> {
    let deadline = Instant::now() + within;
    loop {
        let found = mismatches(parts).await?;
        if found.is_empty() {
            return Ok(found);
        }
        // An event, or an overrun: either way something may have changed. Without events there is nothing to wait for.
        match timeout_at(deadline, events.next()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Ok(found),
        }
    }
}
