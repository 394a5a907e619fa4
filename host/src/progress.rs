//! What long work is at and how far it has come: one line on the terminal, which goes away when anything else is said.
//!
//! There is one terminal, so there is one line. Whoever works tells it, from any layer; only the program's own `run` lets it be shown, so that
//! for everybody else who uses the library these calls do nothing.

use std::env;
use std::io::{IsTerminal, Stderr, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};

static LINE: Mutex<Option<Line<Stderr>>> = Mutex::new(None);

/// The line.
struct Line<W: Write> {
    terminal: W,
    /// Columns of the terminal.
    width: usize,
    phase: String,
    /// What stands there: it is only written when that changes.
    shown: String,
}

impl<W: Write> Line<W> {
    fn new(terminal: W, width: usize) -> Self {
        Self {
            terminal,
            width,
            phase: String::new(),
            shown: String::new(),
        }
    }

    fn write(&mut self, line: &str) {
        // A line that wraps could not be overwritten.
        let line: String = line.chars().take(self.width.saturating_sub(1)).collect();
        if line != self.shown {
            // Back to the start, erased. A terminal that went away is no reason to stop working.
            let written = write!(self.terminal, "\r\x1b[K{line}");
            let _ = written.and_then(|()| self.terminal.flush());
            self.shown = line;
        }
    }

    fn phase(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.write(phase);
    }

    fn count(&mut self, done: usize, total: usize) {
        let line = format!("{} {done}/{total}", self.phase);
        self.write(line.trim_start());
    }
}

/// A panic elsewhere leaves a line that can still be written.
fn line() -> MutexGuard<'static, Option<Line<Stderr>>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the line from now on, where standard error is a terminal of `width` columns that can erase one.
pub fn show(width: usize) {
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    if stderr().is_terminal() && !dumb {
        *line() = Some(Line::new(stderr(), width));
    }
}

/// Something else is worked at now, e.g. `applying`; in words of our own, which hold no control characters.
pub fn phase(phase: &str) {
    if let Some(line) = &mut *line() {
        line.phase(phase);
    }
}

/// So many of the phase's steps are over.
pub fn count(done: usize, total: usize) {
    if let Some(line) = &mut *line() {
        line.count(done, total);
    }
}

/// Takes the line away, for whatever is written to the terminal next. The next step shows it again.
pub fn clear() {
    if let Some(line) = &mut *line() {
        line.write("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overwrites_its_line_cuts_it_to_the_terminal_and_clears_it_at_the_end() {
        let mut line = Line::new(Vec::new(), 12);
        line.phase("applying");
        line.count(1, 3);
        line.count(1, 3);
        line.count(100, 300);
        line.write("");
        line.write("");
        assert_eq!(
            String::from_utf8(line.terminal).unwrap(),
            "\r\x1b[Kapplying\r\x1b[Kapplying 1/\r\x1b[Kapplying 10\r\x1b[K"
        );
    }
}
