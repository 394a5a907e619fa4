//! What one instance of a plugin may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Bounds for each call into a plugin. Every call runs in a fresh instance, so they hold for the call as a whole.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of all linear memories together.
    pub memory: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Core instances, memories and tables that a component may be made of.
    pub parts: usize,
    /// Bytes of strings and lists that may cross from the plugin to the host in one crossing.
    pub crossing: usize,
    /// How long a call may take, the host's part included.
    pub deadline: Duration,
    /// How many calls a plugin may make to the host during one call into it.
    pub host_calls: u64,
    /// Bytes of what a plugin asks to be changed during one call into it, whether or not it is granted; 256 are added for each request,
    /// because the host keeps a record of it.
    pub requests: usize,
    /// Bytes of one JSON document that a plugin answers with.
    pub document: usize,
    /// Subscriptions to signals that a plugin may hold at once.
    pub subscriptions: u64,
    /// Handles to things of the host (subscriptions, WASI's timers and streams) that a plugin may hold at once.
    pub handles: usize,
    /// Lines that a plugin may log during one call.
    pub log_lines: u32,
    /// Bytes of one such line.
    pub log_line_length: usize,
    /// Bytes of address space for compiling the component.
    pub compile_memory: usize,
    /// How long compiling may take, and how much of a processor's time.
    pub compile_deadline: Duration,
}

impl Default for Limits {
    /// Enough for a query of 100,000 routes as JSON, far below what a host would miss.
    fn default() -> Self {
        Self {
            memory: 512 << 20,
            table_elements: 100_000,
            parts: 64,
            crossing: 256 << 20,
            deadline: Duration::from_secs(120),
            host_calls: 100_000,
            requests: 256 << 20,
            document: 64 << 20,
            subscriptions: 16,
            handles: 1_024,
            log_lines: 1_000,
            log_line_length: 4_096,
            // Cranelift takes some 200 MiB for a component of 2 MiB; much of the rest is reserved for threads and not used.
            compile_memory: 2 << 30,
            compile_deadline: Duration::from_secs(120),
        }
    }
}

/// Adds up what the memories and tables of one Store hold: wasmtime asks for each growth by itself.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    memory_left: usize,
    table_elements_left: usize,
    /// What was refused, for the error that the operator reads; a guest may turn the refusal into any trap.
    pub refused: Option<String>,
}

impl Meter {
    /// A meter that allows what `limits` allow.
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory,
            table_elements_left: limits.table_elements,
            limits: limits.clone(),
            refused: None,
        }
    }
}

/// Takes the growth from what is left, or says that it would be too much.
fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.memory_left, current, desired);
        if !granted {
            self.refused = Some(format!(
                "it needs more memory than its limit `memory` allows, {} MiB; a state file of fewer objects needs less",
                self.limits.memory >> 20
            ));
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.table_elements_left, current, desired);
        if !granted {
            self.refused = Some(format!(
                "it needs larger tables than its limit `table-elements` allows, {}",
                self.limits.table_elements
            ));
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.limits.parts
    }

    fn tables(&self) -> usize {
        self.limits.parts
    }

    fn memories(&self) -> usize {
        self.limits.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_memories_count_together() {
        let limits = Limits {
            memory: 100,
            ..Limits::default()
        };
        let mut meter = Meter::new(&limits);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(!meter.memory_growing(60, 61, None).unwrap());
        assert!(meter.refused.unwrap().contains("memory"));
    }

    #[test]
    fn a_refused_growth_takes_nothing() {
        let mut meter = Meter::new(&Limits {
            table_elements: 10,
            ..Limits::default()
        });
        assert!(!meter.table_growing(0, 11, None).unwrap());
        assert!(meter.table_growing(0, 10, None).unwrap());
    }
}
