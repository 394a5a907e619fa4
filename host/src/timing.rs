//! Where the time goes: one event for each phase, shown with `--timings` and free of cost otherwise.

use std::fmt::Display;
use std::time::Instant;

/// The target of these events.
pub const TARGET: &str = "op_dbus::timing";

/// Tells how long a phase took, as one line of JSON: `{"phase":"plan","ms":1.234}`. `phase` is made of our own words and plugins' names,
/// which need no quoting.
pub fn took(phase: impl Display, since: Instant) {
    let ms = since.elapsed().as_secs_f64() * 1e3;
    tracing::trace!(target: TARGET, "{{\"phase\":\"{phase}\",\"ms\":{ms:.3}}}");
}
