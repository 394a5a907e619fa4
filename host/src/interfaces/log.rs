//! `log`: words for the operator.

use super::Ctx;
use crate::boundary::cross;
use crate::contract::log::{Host, Level};
use crate::output::escape::escape;

/// How much one call into a plugin may still log.
#[derive(Debug)]
pub struct LogBudget {
    /// Name and version, in front of every line.
    pub plugin: String,
    /// Lines left.
    pub lines: u32,
    /// Bytes of a line; the rest is cut off.
    pub line_length: usize,
    /// Lines that were dropped.
    pub dropped: u64,
    /// How far the work had come when that was last told, in per cent.
    pub told: Option<u64>,
}

impl LogBudget {
    fn take(&mut self, message: &str) -> Option<String> {
        match self.lines.checked_sub(1) {
            Some(left) => self.lines = left,
            None => {
                self.dropped += 1;
                return None;
            }
        }
        let mut end = message.len().min(self.line_length);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < message.len() { "…" } else { "" };
        Some(format!("{}: {}{cut}", self.plugin, escape(&message[..end])))
    }

    /// Writes a line, as far as there is room.
    fn write(&mut self, level: Level, message: &str) {
        if let Some(line) = self.take(message) {
            match level {
                Level::Trace => tracing::trace!(target: "plugin", "{line}"),
                Level::Debug => tracing::debug!(target: "plugin", "{line}"),
                Level::Info => tracing::info!(target: "plugin", "{line}"),
                Level::Warn => tracing::warn!(target: "plugin", "{line}"),
                Level::Error => tracing::error!(target: "plugin", "{line}"),
            }
        }
    }
}

impl LogBudget {
    /// Whether progress is worth telling: whenever it has come on by a per cent, so no more than a hundred times.
    fn has_come_on(&mut self, done: u32, total: u32) -> bool {
        let now = u64::from(done.min(total)) * 100 / u64::from(total.max(1));
        let news = self.told.is_none_or(|told| now > told);
        if news {
            self.told = Some(now);
        }
        news
    }
}

impl Drop for LogBudget {
    fn drop(&mut self) {
        if self.dropped > 0 {
            tracing::warn!("{}: {} more lines were dropped", self.plugin, self.dropped);
        }
    }
}

impl Host for Ctx {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        cross!(
            self,
            "log.write",
            [level, message],
            self.log.write(level, &message)
        )
    }

    async fn progress(&mut self, done: u32, total: u32) -> wasmtime::Result<()> {
        let come_on = self.log.has_come_on(done, total);
        let gate = &self.gate;
        cross!(
            self,
            "log.progress",
            [done, total],
            if come_on {
                gate.progress(done, total)
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_cut_and_escaped() {
        let mut budget = LogBudget {
            plugin: "net 0.1.0".into(),
            lines: 2,
            line_length: 5,
            dropped: 0,
            told: None,
        };
        assert_eq!(
            budget.take("\x1b[2Jx\0").unwrap(),
            "net 0.1.0: \\u{1b}[2Jx…"
        );
        assert_eq!(budget.take("ääää").unwrap(), "net 0.1.0: ää…");
        assert_eq!(budget.take("more"), None);
        assert_eq!(budget.dropped, 1);
        budget.dropped = 0;
    }

    #[test]
    fn progress_is_told_when_it_comes_on_and_no_more_than_a_hundred_times() {
        let mut budget = LogBudget {
            plugin: "net".into(),
            lines: 0,
            line_length: 0,
            dropped: 0,
            told: None,
        };
        let told = (0..100_000).filter(|step| budget.has_come_on(step % 1_000, 1_000));
        assert_eq!(told.count(), 100);
        assert!(!budget.has_come_on(u32::MAX, 0));
        assert!(budget.has_come_on(2, 2));
        assert!(!budget.has_come_on(2, 2));
    }
}
