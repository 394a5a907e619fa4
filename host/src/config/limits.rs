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
    /// What a plugin may ask to be changed during one call into it; 256 bytes are added for each request.
    pub requests: Option<Size>,
    /// One JSON document that a plugin answers with.
    pub document: Option<Size>,
    /// Subscriptions to signals that a plugin may hold at once.
    pub subscriptions: Option<u64>,
    /// Handles to things of the host that a plugin may hold at once.
    pub handles: Option<usize>,
    /// Lines that a plugin may log during one call.
    pub log_lines: Option<u32>,
    /// The length of one such line.
    pub log_line_length: Option<Size>,
    /// Address space for compiling the component.
    pub compile_memory: Option<Size>,
    /// How long compiling may take, and how much of a processor's time.
    pub compile_deadline: Option<Period>,
}

impl SomeLimits {
    /// These, and for the others those of `base`.
    pub fn over(&self, base: Limits) -> Limits {
        let size = |own: Option<Size>, base| own.map_or(base, |size| size.0);
        let time = |own: Option<Period>, base| own.map_or(base, |period| period.0);
        Limits {
            memory: size(self.memory, base.memory),
            table_elements: self.table_elements.unwrap_or(base.table_elements),
            parts: self.parts.unwrap_or(base.parts),
            crossing: size(self.crossing, base.crossing),
            deadline: time(self.deadline, base.deadline),
            host_calls: self.host_calls.unwrap_or(base.host_calls),
            requests: size(self.requests, base.requests),
            document: size(self.document, base.document),
            subscriptions: self.subscriptions.unwrap_or(base.subscriptions),
            handles: self.handles.unwrap_or(base.handles),
            log_lines: self.log_lines.unwrap_or(base.log_lines),
            log_line_length: size(self.log_line_length, base.log_line_length),
            compile_memory: size(self.compile_memory, base.compile_memory),
            compile_deadline: time(self.compile_deadline, base.compile_deadline),
        }
    }
}
