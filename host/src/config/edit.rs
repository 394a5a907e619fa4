//! Changes to the configuration file that leave its comments, its order and its layout as the operator wrote them.
//!
//! The parser says where each value stands; what is changed are the lines around those, and everything else stays byte for byte. A layout
//! that this cannot follow is refused by what is read back afterwards, never guessed at.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::render::{grant_of, quoted};
use crate::digest::Digest;
use crate::gate::grant::Grant;

/// Why a configuration file cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML: not met after it was loaded.
    #[error(transparent)]
    Parse(#[from] toml::de::Error),
    /// A table on the way is written in one line, together with others.
    #[error(
        "`{0}` is written within braces, and cannot be changed there; write it as tables, [plugins.NAME]"
    )]
    Inline(String),
}

/// A configuration file that is being changed.
pub struct Edit {
    text: String,
}

/// A header, or a key with its value.
struct Statement {
    /// From the outermost key on.
    path: Vec<String>,
    /// Its lines, with the line break of the last.
    lines: Range<usize>,
    /// Where its value stands; a header has none.
    value: Option<Range<usize>>,
}

impl Edit {
    /// The file's text.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn of(text: &str) -> Result<Self, EditError> {
        let edit = Self { text: text.into() };
        edit.statements()?;
        Ok(edit)
    }

    /// The text of the file as it is to be.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names the file of a plugin and pins it; with `grant`, that takes the place of the grant which is there.
    ///
    /// # Errors
    /// When the plugin's table is written in a way that this cannot change.
    pub fn put(
        &mut self,
        name: &str,
        component: &Path,
        digest: Digest,
        grant: Option<&Grant>,
    ) -> Result<(), EditError> {
        let values = [
            ("component", component.to_string_lossy().into_owned()),
            ("digest", digest.to_string()),
        ];
        let mut lines = String::new();
        for (key, value) in values {
            if !self.set(&["plugins", name, key], &quoted(&value))? {
                lines.push_str(&format!("{key} = {}\n", quoted(&value)));
            }
        }
        if !lines.is_empty() {
            self.insert(name, &lines)?;
        }
        if let Some(grant) = grant {
            self.remove(&["plugins", name, "grant"])?;
            self.append(&grant_of(name, grant));
        }
        Ok(())
    }

    /// Takes a plugin out; with `keep`, only where it comes from, so that what else the operator said of its name holds on.
    ///
    /// # Errors
    /// As [`Edit::put`].
    pub fn take(&mut self, name: &str, keep: bool) -> Result<(), EditError> {
        if !keep {
            return self.remove(&["plugins", name]);
        }
        self.remove(&["plugins", name, "component"])?;
        self.remove(&["plugins", name, "digest"])
    }

    /// Replaces a value that is there, and says whether it was; what stands after it on its line stays.
    fn set(&mut self, path: &[&str], value: &str) -> Result<bool, EditError> {
        let statements = self.statements()?;
        let found = statements.into_iter().find(|it| it.path == path);
        let Some(place) = found.and_then(|it| it.value) else {
            return Ok(false);
        };
        self.text.replace_range(place, value);
        Ok(true)
    }

    /// Adds lines to the table of a plugin, which is made where there is none.
    fn insert(&mut self, name: &str, lines: &str) -> Result<(), EditError> {
        let statements = self.statements()?;
        let mut headers = statements.iter().filter(|it| it.value.is_none());
        match headers.find(|it| it.path == ["plugins", name]) {
            Some(header) => {
                let end = header.lines.end;
                let broken = self.text[..end].ends_with('\n');
                self.text
                    .insert_str(end, &format!("{}{lines}", if broken { "" } else { "\n" }));
            }
            None => self.append(&format!("[plugins.{name}]\n{lines}")),
        }
        Ok(())
    }

    /// Adds tables at the end.
    fn append(&mut self, tables: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(tables);
    }

    /// Removes all that stands under a key: its headers, each with the blank line above it, and its values.
    fn remove(&mut self, prefix: &[&str]) -> Result<(), EditError> {
        let statements = self.statements()?;
        for statement in statements.iter().rev() {
            if !statement
                .path
                .iter()
                .zip(prefix)
                .all(|(own, key)| own == key)
            {
                continue;
            }
            if statement.path.len() < prefix.len() {
                // A header above it stays; a value above it holds more than what is to go.
                match statement.value {
                    None => continue,
                    Some(_) => return Err(EditError::Inline(statement.path.join("."))),
                }
            }
            let mut lines = statement.lines.clone();
            if statement.value.is_none() && self.text[..lines.start].ends_with("\n\n") {
                lines.start -= 1;
            }
            self.text.replace_range(lines, "");
        }
        Ok(())
    }

    /// All headers and values, in their order.
    fn statements(&self) -> Result<Vec<Statement>, EditError> {
        let text = self.text.as_str();
        let mut values = Vec::new();
        spans(DeTable::parse(text)?.get_ref(), text, &mut values);
        values.sort_by_key(|value| value.start);
        let mut statements = Vec::new();
        let mut header = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let mut end = end_of_line(text, start);
            let line = text[start..end].trim_start();
            if line.starts_with('[') {
                header = path(&text[start..end])?;
                statements.push(Statement {
                    path: header.clone(),
                    lines: start..end,
                    value: None,
                });
            } else if let Some(value) = values.iter().find(|value| value.start >= start)
                && !line.trim_end().is_empty()
                && !line.starts_with('#')
            {
                // A value may go over many lines, some of which look like headers.
                end = end_of_line(text, value.end.max(start));
                statements.push(Statement {
                    path: [header.clone(), path(&text[start..end])?].concat(),
                    lines: start..end,
                    value: Some(value.clone()),
                });
            }
            start = end;
        }
        Ok(statements)
    }
}

/// Where the line break after `at` ends, or the text.
fn end_of_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length + 1)
}

/// Whether a table has a place of its own in braces, as opposed to a header or a dotted key.
fn is_inline(text: &str, span: &Range<usize>) -> bool {
    text[span.start..].starts_with('{')
}

/// Where each value stands that was written as one.
fn spans(table: &DeTable<'_>, text: &str, found: &mut Vec<Range<usize>>) {
    for (_, value) in table {
        let span = value.span();
        match value.get_ref() {
            DeValue::Table(inner) if !is_inline(text, &span) => spans(inner, text, found),
            DeValue::Array(items) => {
                let mut tables = items.iter().map(|item| (item.get_ref(), item.span()));
                // Tables with a header each, or an array in brackets.
                match tables.next() {
                    Some((DeValue::Table(_), span)) if !is_inline(text, &span) => {
                        for item in items {
                            if let DeValue::Table(inner) = item.get_ref() {
                                spans(inner, text, found);
                            }
                        }
                    }
                    _ => found.push(span),
                }
            }
            _ => found.push(span),
        }
    }
}

/// The keys of a header, or of a key that may be dotted: of a text with nothing else in it.
fn path(text: &str) -> Result<Vec<String>, toml::de::Error> {
    let table = DeTable::parse(text)?;
    let mut path = Vec::new();
    let mut inner = table.get_ref();
    while let Some((key, value)) = inner.iter().next() {
        path.push(key.get_ref().to_string());
        let items = match value.get_ref() {
            DeValue::Table(table) if !is_inline(text, &value.span()) => {
                inner = table;
                continue;
            }
            DeValue::Array(items) => items,
            _ => break,
        };
        // A header in double brackets is a table in an array, and empty here.
        match items
            .iter()
            .next()
            .map(|item| (item.get_ref(), item.span()))
        {
            Some((DeValue::Table(table), span)) if !is_inline(text, &span) => inner = table,
            _ => break,
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: &str = r#"# By hand.
state-dir = "/srv" # ours
[limits]
deadline = "1m"

# For the edge.
  [plugins . "edge"]   # somebody's
  component = "/old.wasm"  # from the vendor
grant.netlink = { see = [
  "[plugins.edge]", # no header
  "*",
] }
grant.secrets = ["a"]
[plugins.net.limits]
parts = 7

[plugins.edge.limits]
memory = """
[plugins.edge]
"""

# The end.
[probes.a]
gateway = "any"
"#;

    fn digest() -> Digest {
        Digest::of(b"component")
    }

    fn grant(text: &str) -> Grant {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_update_changes_the_lines_that_it_concerns() {
        let mut edit = Edit::of(LAYOUT).unwrap();
        edit.put("edge", Path::new("/new.wasm"), digest(), None)
            .unwrap();
        let pinned = format!(
            "  [plugins . \"edge\"]   # somebody's\ndigest = \"{}\"\n",
            digest()
        );
        let expected = LAYOUT
            .replace("\"/old.wasm\"", "\"/new.wasm\"")
            .replace("  [plugins . \"edge\"]   # somebody's\n", &pinned);
        assert_eq!(edit.text(), expected);
    }

    #[test]
    fn a_new_grant_takes_the_place_of_the_old_one_however_that_is_written() {
        let new = grant("[netlink]\nchange = [\"in*\"]\n");
        let mut edit = Edit::of(LAYOUT).unwrap();
        edit.put("edge", Path::new("/old.wasm"), digest(), Some(&new))
            .unwrap();
        let text = edit.text();
        assert!(
            !text.contains("grant.secrets") && !text.contains("see"),
            "{text}"
        );
        assert!(
            text.ends_with("\n\n[plugins.edge.grant.netlink]\nchange = [\"in*\"]\n"),
            "{text}"
        );
        for kept in [
            "# For the edge.",
            "# from the vendor",
            "# The end.",
            "memory = \"\"\"\n[plugins.edge]\n\"\"\"\n",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        // And again, over what was written here.
        let mut again = Edit::of(text).unwrap();
        let none = Grant::default();
        again
            .put("edge", Path::new("/old.wasm"), digest(), Some(&none))
            .unwrap();
        assert!(
            again.text().ends_with("\n\n[plugins.edge.grant]\n"),
            "{}",
            again.text()
        );
        assert!(!again.text().contains("in*"));
    }

    #[test]
    fn what_is_added_and_removed_leaves_no_trace() {
        let asked: Grant =
            serde_json::from_str(include_str!("../../../plugins/networkmanager/asks.json"))
                .unwrap();
        for text in [
            "",
            "# Nothing yet.\n",
            "[limits]\nparts = 7\n",
            "[plugins.net]\ngrant = {}\n",
        ] {
            let mut edit = Edit::of(text).unwrap();
            edit.put("edge", Path::new("/new.wasm"), digest(), Some(&asked))
                .unwrap();
            let with: toml::Table = edit.text().parse().unwrap();
            let edge = &with["plugins"]["edge"];
            assert_eq!(edge["component"].as_str(), Some("/new.wasm"));
            assert_eq!(edge["grant"].clone().try_into::<Grant>().unwrap(), asked);
            edit.take("edge", false).unwrap();
            assert_eq!(edit.text(), text);
        }
    }

    #[test]
    fn a_replacement_of_a_built_in_plugin_goes_and_the_rest_of_its_table_stays() {
        let text = "[plugins.net]\ncomponent = \"/n.wasm\"\ndigest = \"x\"\ngrant = {}\n";
        let mut edit = Edit::of(text).unwrap();
        edit.take("net", true).unwrap();
        assert_eq!(edit.text(), "[plugins.net]\ngrant = {}\n");
    }

    #[test]
    fn a_layout_that_holds_several_plugins_in_one_value_is_refused() {
        let mut edit = Edit::of("plugins = { edge = {}, net = {} }\n").unwrap();
        let error = edit.take("edge", false).unwrap_err();
        assert!(error.to_string().contains("[plugins.NAME]"), "{error}");
        assert!(Edit::of("a = [").is_err());
    }
}
