//! A line that counts while work goes on, on a terminal only.

use std::io::{IsTerminal, Stderr, Write, stderr};

use super::escape::escape;

/// Shows how far some work has come. Dropped, it leaves an empty line behind, so that what comes next begins at its start.
pub struct Progress<W: Write = Stderr> {
    /// Absent where nobody watches.
    terminal: Option<W>,
    what: String,
    total: usize,
    width: usize,
    /// What the line says already: it is only written when that changes.
    shown: String,
}

impl Progress {
    /// Work of `total` steps, shown on the standard error output where that is a terminal. `what` is said in front, e.g. `apply`.
    pub fn new(what: &str, total: usize) -> Self {
        let stderr = stderr();
        let width = super::Style::of(super::ColorChoice::Never, &stderr).width;
        let terminal = stderr.is_terminal().then_some(stderr);
        Self::on(terminal, what, total, width)
    }
}

impl<W: Write> Progress<W> {
    fn on(terminal: Option<W>, what: &str, total: usize, width: usize) -> Self {
        Self {
            terminal,
            what: escape(what).into_owned(),
            total,
            width,
            shown: String::new(),
        }
    }

    /// `done` steps are over, and `now` is being worked on.
    pub fn at(&mut self, done: usize, now: &str) {
        let line = format!("{} {done}/{} {}", self.what, self.total, escape(now));
        // A line that wraps could not be overwritten.
        let line: String = line.chars().take(self.width - 1).collect();
        if let Some(terminal) = &mut self.terminal
            && line != self.shown
        {
            // A terminal that went away is no reason to stop working.
            let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
            self.shown = line;
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && !self.shown.is_empty()
        {
            let _ = write!(terminal, "\r\x1b[K").and_then(|()| terminal.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overwrites_its_line_and_clears_it_at_the_end() {
        let mut screen = Vec::new();
        let mut progress = Progress::on(Some(&mut screen), "apply", 3, 22);
        progress.at(0, "interface vmbr0 and more");
        progress.at(0, "interface vmbr0 and more");
        progress.at(1, "a\nb");
        drop(progress);
        assert_eq!(
            String::from_utf8(screen).unwrap(),
            "\r\x1b[Kapply 0/3 interface v\r\x1b[Kapply 1/3 a\\nb\r\x1b[K"
        );
    }

    #[test]
    fn says_nothing_where_nobody_watches() {
        let mut progress = Progress::on(None::<Vec<u8>>, "apply", 3, 80);
        progress.at(1, "interface vmbr0");
        assert!(progress.shown.is_empty());
    }
}
