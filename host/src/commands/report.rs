//! Errors and endings of transactions, for a person.

use std::fmt::Write;

use crate::config::error::ConfigError;
use crate::output::color::Paint;
use crate::output::escape::escape;
use crate::output::{Style, tree};
use crate::state_file::StateFileError;
use crate::transaction::ending::{Cause, Ending, Report};
use crate::transaction::pending::Ended;
use crate::transaction::plan_file::PlanError;
use crate::transaction::record::Difference;
use crate::transaction::recovery::Recovered;

use super::session::Rejected;

/// An error, with the lines of the state file that it is about.
pub fn error(error: &anyhow::Error, style: Style) -> String {
    if let Some(rejected) = error.downcast_ref::<Rejected>() {
        return rejected.0.render(style);
    }
    if let Some(state_file) = error.downcast_ref::<StateFileError>() {
        return state_file.render(style);
    }
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        return config.render(style);
    }
    if let Some(PlanError::Moved(found)) = error.downcast_ref() {
        let mut text = format!(
            "{} {error}; make it anew with `op-dbus diff --out`. What was then, and is now:\n",
            style.paint(Paint::Alarm, "error:")
        );
        for (plugin, objects) in found {
            text.push_str(&tree::moved(plugin, objects, style));
        }
        return text;
    }
    let text = format!("{error:#}");
    format!("{} {}\n", style.paint(Paint::Alarm, "error:"), lines(&text))
}

/// Escapes a text but keeps its line breaks: the stack of a trap has many.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(escape).collect();
    lines.join("\n")
}

/// How a transaction ended, for standard error.
pub fn ending(report: &Report, style: Style) -> String {
    let mut text = String::new();
    match &report.ending {
        Ending::Applied | Ending::Awaiting(_) => {}
        Ending::RolledBack(cause) => {
            why(&mut text, cause, style);
            let _ = writeln!(
                text,
                "{} the network is as it was before",
                style.paint(Paint::Heading, "rolled back:")
            );
        }
        Ending::Incomplete(cause, left) => {
            why(&mut text, cause, style);
            incomplete(&mut text, left, style);
        }
    }
    notes(&mut text, &report.notes, style);
    text
}

/// How a change that awaited confirmation was undone.
pub fn undone(ended: &Ended, style: Style) -> String {
    let report = Report {
        transaction: String::new(),
        checkpoint: None,
        outcomes: Vec::new(),
        verified: true,
        ending: ended_as(ended),
        notes: ended.notes.clone(),
    };
    ending(&report, style)
}

/// A decision of the keeper as the end of a transaction.
pub fn ended_as(ended: &Ended) -> Ending {
    let cause = Cause::Unconfirmed(ended.why.clone());
    match (ended.kept, ended.incomplete.is_empty()) {
        (true, _) => Ending::Applied,
        (false, true) => Ending::RolledBack(cause),
        (false, false) => Ending::Incomplete(cause, ended.incomplete.clone()),
    }
}

fn why(text: &mut String, cause: &Cause, style: Style) {
    let _ = writeln!(
        text,
        "{} {}",
        style.paint(Paint::Alarm, "failed:"),
        lines(&cause.to_string())
    );
    if let Cause::Mismatch(found) = cause {
        for (plugin, mismatches) in found {
            text.push_str(&tree::mismatches(plugin, mismatches, style));
        }
    }
}

/// The loudest thing on the screen: each object that is not as it was.
fn incomplete(text: &mut String, left: &[Difference], style: Style) {
    let _ = writeln!(
        text,
        "{} {} objects are not as they were:",
        style.paint(Paint::Alarm, "ROLLBACK INCOMPLETE:"),
        left.len()
    );
    for difference in left {
        let _ = writeln!(text, "  {}", lines(&difference.to_string()));
    }
}

fn notes(text: &mut String, notes: &[String], style: Style) {
    for note in notes {
        let _ = writeln!(
            text,
            "{} {}",
            style.paint(Paint::Faint, "note:"),
            lines(note)
        );
    }
}

/// What the configuration grants beyond the last one that was used.
pub fn wider(found: &[String], style: Style) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{} the configuration was changed, and grants what it did not before:\n",
        style.paint(Paint::Modify, "note:")
    );
    for entry in found {
        let _ = writeln!(text, "  {}", escape(entry));
    }
    text
}

/// What was found of a process that died, and what was done about it.
pub fn recovered(recovered: &Recovered, style: Style) -> String {
    let mut text = String::new();
    let what = match &recovered.begun {
        Some(begin) => format!(
            "{} (process {}, begun {})",
            escape(&begin.command),
            begin.process.pid,
            begin.time
        ),
        None => "a transaction that had not begun".into(),
    };
    let _ = writeln!(
        text,
        "{} {what} did not come to its end",
        style.paint(Paint::Heading, "recovery:")
    );
    if !recovered.same_namespace {
        text.push_str("  what it had changed in the kernel went with its network namespace\n");
    }
    if !recovered.undone.incomplete.is_empty() {
        incomplete(&mut text, &recovered.undone.incomplete, style);
    } else if recovered.same_namespace || recovered.elsewhere {
        text.push_str("  it was undone: the network is as it was before it\n");
    } else {
        text.push_str("  nothing was to undo\n");
    }
    notes(&mut text, &recovered.undone.notes, style);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::record::Difference;
    use crate::transaction::reversal::Reversed;

    #[test]
    fn what_is_left_after_a_restart_of_the_machine_is_listed() {
        let found = |elsewhere, incomplete| {
            let undone = Reversed {
                incomplete,
                ..Reversed::default()
            };
            let recovered = Recovered {
                begun: None,
                same_namespace: false,
                elsewhere,
                undone,
            };
            super::recovered(&recovered, Style::PLAIN)
        };
        let left = Difference {
            object: "bridge vmbr0".into(),
            is: "there".into(),
            should_be: "not there".into(),
            because: Some("Connection refused".into()),
        };
        let said = found(true, vec![left]);
        assert!(said.contains("bridge vmbr0") && said.contains("Connection refused"));
        assert!(!said.contains("nothing was to undo") && !said.contains("it was undone"));
        assert!(found(true, Vec::new()).contains("it was undone"));
        assert!(found(false, Vec::new()).contains("nothing was to undo"));
    }
}
