//! What a plugin may use, as far as the operator says.

use serde::Deserialize;

use crate::measure::{Period, Size};
use crate::plugin::limits::Limits;

/// Some of a plugin's limits; the others stay as they are otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SomeLimits {
    /// All linear memories together.
    pub memory: Option<Size>,
    /// Elements of all tables together.
    pub table_elements: Option<usize>,
    /// Core instances, memories and tables that a component may be made of.
    pub parts: Option<usize>,
    /// Strings and lists that may cross from the plugin to the host in one crossing.
    pub crossing: Option<Size>,
    /// How long a call may take, the host's part included.
    pub deadline: Option<Period>,
    /// How many calls a plugin may make to the host during one call into it.
    pub host_calls: Option<u64>,
    /// Subscriptions to signals that a plugin may hold at once.
    pub subscriptions: Option<u64>,
    /// Lines that a plugin may log during one call.
    pub log_lines: Option<u32>,
    /// The length of one such line.
    pub log_line_length: Option<Size>,
}

impl SomeLimits {
    /// These, and for the others those of `base`.
    pub fn over(&self, base: Limits) -> Limits {
        let size = |own: Option<Size>, base| own.map_or(base, |size| size.0);
        Limits {
            memory: size(self.memory, base.memory),
            table_elements: self.table_elements.unwrap_or(base.table_elements),
            parts: self.parts.unwrap_or(base.parts),
            crossing: size(self.crossing, base.crossing),
            deadline: self.deadline.map_or(base.deadline, |period| period.0),
            host_calls: self.host_calls.unwrap_or(base.host_calls),
            subscriptions: self.subscriptions.unwrap_or(base.subscriptions),
            log_lines: self.log_lines.unwrap_or(base.log_lines),
            log_line_length: size(self.log_line_length, base.log_line_length),
        }
    }
}
