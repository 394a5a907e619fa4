//! Plans, outcomes, mismatches and states as trees, for a person.
//!
//! Each function returns the whole text, ended by a line break. What comes from plugins is escaped; colour only repeats what a sign or a
//! word says.

use serde_json::Value;

use super::color::{Paint, Style};
use super::escape::escape;
use super::json::code;
use crate::contract::exports::op_dbus::plugin::state::{Action, Mismatch, Operation, Outcome};
use crate::contract::types::Failure;

/// How far one level stands in from the one above.
const STEP: &str = "  ";

/// How deep two objects are compared for the lines `before → after`; what lies deeper is compared as a whole.
const DEEPEST_DETAIL: usize = 6;

/// No more lines of detail than this are shown for one step.
const MOST_DETAILS: usize = 40;

/// What a plan would do, for each plugin. A plan without a step says so.
pub fn plan(plugins: &[(&str, &[Action])], style: Style) -> String {
    let mut text = String::new();
    let mut counts = [0; 3];
    let mut disruptive = 0;
    for (plugin, actions) in plugins.iter().filter(|(_, actions)| !actions.is_empty()) {
        heading(&mut text, plugin, style);
        for action in *actions {
            let (_, _, kind) = sign(action.operation);
            counts[kind] += 1;
            disruptive += usize::from(action.disruptive);
            step(&mut text, action, style);
        }
    }
    if text.is_empty() {
        return "in sync: nothing to do\n".to_owned();
    }
    let [create, modify, delete] = counts;
    text.push_str(&format!(
        "{create} to create, {modify} to modify, {delete} to delete"
    ));
    if disruptive > 0 {
        let words = format!("{disruptive} of them disruptive");
        text.push_str(&format!(", {}", style.paint(Paint::Alarm, words)));
    }
    text.push('\n');
    text
}

/// What has moved between two states of a plugin, as steps from the one to the other.
pub fn moved(plugin: &str, objects: &[Action], style: Style) -> String {
    let mut text = String::new();
    heading(&mut text, plugin, style);
    for object in objects {
        step(&mut text, object, style);
    }
    text
}

/// What became of each step of one plugin.
pub fn outcomes(plugin: &str, outcomes: &[Outcome], style: Style) -> String {
    let mut text = String::new();
    heading(&mut text, plugin, style);
    for outcome in outcomes {
        let target = escape(&outcome.target);
        let sign = match outcome.failed {
            None => style.paint(Paint::Create, "done  "),
            Some(_) => style.paint(Paint::Alarm, "FAILED"),
        };
        line(
            &mut text,
            1,
            &[&sign, " ", &target],
            &outcome.summary,
            style,
        );
        if let Some(failed) = &outcome.failed {
            write_failure(&mut text, 2, failed);
        }
    }
    text
}

/// Where the system differs from a plugin's section.
pub fn mismatches(plugin: &str, mismatches: &[Mismatch], style: Style) -> String {
    let mut text = String::new();
    heading(&mut text, plugin, style);
    for mismatch in mismatches {
        let path = match mismatch.path.as_str() {
            "" => "(the whole section)".into(),
            path => escape(path),
        };
        let sign = style.paint(Paint::Modify, "~");
        let have = match &mismatch.have {
            Some(json) => compact(json),
            None => "nothing".to_owned(),
        };
        text.push_str(&format!("{STEP}{sign} {path}\n"));
        let want = compact(&mismatch.want);
        text.push_str(&format!(
            "{STEP}{STEP}want {}\n",
            cut(&want, style.width - 9)
        ));
        text.push_str(&format!(
            "{STEP}{STEP}have {}\n",
            cut(&have, style.width - 9)
        ));
    }
    text
}

/// A failure with the backend's own words, as the last line before giving up. Ends with a line break.
pub fn failure(failure: &Failure, style: Style) -> String {
    let mut text = style.paint(Paint::Alarm, "error: ");
    let mut words = String::new();
    write_failure(&mut words, 0, failure);
    text.push_str(&words);
    text
}

/// A plugin's section, as `query` returns it.
pub fn section(plugin: &str, json: &str, style: Style) -> String {
    let mut text = String::new();
    heading(&mut text, plugin, style);
    match serde_json::from_str(json) {
        Ok(Value::Object(object)) if object.is_empty() => text.push_str("  (nothing)\n"),
        Ok(value) => branch(&mut text, 1, &value, style),
        // Never hide what a plugin said, not even where it is no JSON.
        Err(_) => text.push_str(&format!("{STEP}{}\n", escape(json))),
    }
    text
}

fn heading(text: &mut String, plugin: &str, style: Style) {
    text.push_str(&style.paint(Paint::Heading, escape(plugin)));
    text.push('\n');
}

fn sign(operation: Operation) -> (&'static str, Paint, usize) {
    match operation {
        Operation::Create => ("+", Paint::Create, 0),
        Operation::Modify => ("~", Paint::Modify, 1),
        Operation::Delete => ("-", Paint::Delete, 2),
    }
}

fn step(text: &mut String, action: &Action, style: Style) {
    let (sign, paint, _) = sign(action.operation);
    let sign = style.paint(paint, sign);
    let target = style.paint(paint, escape(&action.target));
    let mut parts = vec![sign.as_str(), " ", &target];
    let warning = format!(" {}", style.paint(Paint::Alarm, "(disruptive)"));
    if action.disruptive {
        parts.push(&warning);
    }
    line(text, 1, &parts, &action.summary, style);
    let value = |json: &Option<String>| {
        json.as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
    };
    // What a new object is to be and what a removed one was is in the summary and in `--json`.
    if let (Some(before), Some(after)) = (value(&action.before), value(&action.after)) {
        let mut details = Vec::new();
        compare(&mut details, String::new(), &before, &after, DEEPEST_DETAIL);
        for detail in details.iter().take(MOST_DETAILS) {
            let detail = cut(&escape(detail), style.width.saturating_sub(6));
            text.push_str(&format!("{STEP}{STEP}{STEP}{detail}\n"));
        }
        if details.len() > MOST_DETAILS {
            let more = details.len() - MOST_DETAILS;
            text.push_str(&format!("{STEP}{STEP}{STEP}... and {more} more\n"));
        }
    }
}

/// `path: before → after` for what both have, and differs. A plugin may leave out of `before` or `after` what it does not touch.
fn compare(details: &mut Vec<String>, path: String, before: &Value, after: &Value, depth: usize) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) if depth > 0 => {
            for (key, after) in after {
                let Some(before) = before.get(key) else {
                    continue;
                };
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(details, path, before, after, depth - 1);
            }
        }
        // Whole objects need no line: they have a path only inside a larger one.
        _ if path.is_empty() => {}
        _ => details.push(format!("{path}: {before} → {after}")),
    }
}

/// A line with the summary behind, or below where it does not fit.
fn line(text: &mut String, depth: usize, parts: &[&str], summary: &str, style: Style) {
    let start = text.len();
    text.push_str(&STEP.repeat(depth));
    text.push_str(&parts.concat());
    if summary.is_empty() {
        text.push('\n');
        return;
    }
    let summary = escape(summary);
    let width = visible_width(&text[start..]);
    if width + 2 + summary.chars().count() <= style.width {
        text.push_str(&format!("{STEP}{summary}\n"));
    } else {
        text.push('\n');
        wrap(text, depth + 2, &summary, style.width);
    }
}

/// Breaks a text between words.
fn wrap(text: &mut String, depth: usize, words: &str, width: usize) {
    let indent = STEP.repeat(depth);
    let mut column = 0;
    for word in words.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(&indent);
            column = indent.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

fn write_failure(text: &mut String, depth: usize, failure: &Failure) {
    let indent = STEP.repeat(depth);
    let (code, message) = (code(failure.code), escape(&failure.message));
    text.push_str(&format!("{indent}{message} ({code})\n"));
    if let Some(backend) = &failure.backend {
        let name = escape(&backend.name);
        let said = match &backend.text {
            Some(said) => format!("{name}: {}", escape(said)),
            None => name.into_owned(),
        };
        text.push_str(&format!("{indent}{STEP}{said}\n"));
    }
}

/// An object's keys each on a line; of lists, short ones on the key's line, others an item each.
fn branch(text: &mut String, depth: usize, value: &Value, style: Style) {
    let indent = STEP.repeat(depth);
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = escape(key);
                match flat(
                    value,
                    style.width.saturating_sub(indent.len() + key.len() + 2),
                ) {
                    Some(flat) => text.push_str(&format!("{indent}{key}: {flat}\n")),
                    None => {
                        text.push_str(&format!("{indent}{key}:\n"));
                        branch(text, depth + 1, value, style);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                item_branch(text, depth, item, style);
            }
        }
        other => text.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

/// An item of a list: its name, if it has one, stands in front of the other keys.
fn item_branch(text: &mut String, depth: usize, item: &Value, style: Style) {
    let indent = STEP.repeat(depth);
    if let Some(flat) = flat(item, style.width.saturating_sub(indent.len() + 2)) {
        text.push_str(&format!("{indent}- {flat}\n"));
        return;
    }
    let named = item.as_object().and_then(|object| {
        let key = ["name", "id", "uuid"]
            .into_iter()
            .find(|key| object.contains_key(*key))?;
        Some((key, object.get(key)?.as_str()?))
    });
    match (item, named) {
        (Value::Object(object), Some((key, name))) => {
            let mut rest = object.clone();
            rest.remove(key);
            let name = style.paint(Paint::Heading, escape(name));
            text.push_str(&format!("{indent}- {name}\n"));
            branch(text, depth + 1, &Value::Object(rest), style);
        }
        _ => {
            text.push_str(&format!("{indent}-\n"));
            branch(text, depth + 1, item, style);
        }
    }
}

/// A value on one line, if it is simple and fits: scalars, lists of scalars, small objects of scalars.
fn flat(value: &Value, width: usize) -> Option<String> {
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    let line = match value {
        Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        Value::Object(object) if object.is_empty() => "(empty)".to_owned(),
        Value::Array(items) if items.iter().all(is_scalar) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            items.join(", ")
        }
        Value::Object(object) if object.len() <= 6 && object.values().all(is_scalar) => {
            let entries: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{} {}", escape(key), scalar(value)))
                .collect();
            entries.join(", ")
        }
        value if is_scalar(value) => return Some(scalar(value)),
        _ => return None,
    };
    (line.chars().count() <= width).then_some(line)
}

/// A text without its quotes, unless it would be taken for something else.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = !text.is_empty()
                && !text.contains([',', '"'])
                && text.trim() == text
                && serde_json::from_str::<Value>(text).is_err();
            if plain {
                escape(text).into_owned()
            } else {
                escape(&value.to_string()).into_owned()
            }
        }
        other => other.to_string(),
    }
}

fn compact(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => escape(&value.to_string()).into_owned(),
        Err(_) => escape(json).into_owned(),
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(3)).collect();
    kept + "..."
}

/// Columns without the colours, which are the only escape sequences in a text of ours.
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut in_color = false;
    for character in text.chars() {
        match character {
            '\x1b' => in_color = true,
            'm' if in_color => in_color = false,
            _ if in_color => {}
            _ => width += 1,
        }
    }
    width
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
