//! One plugin's section of a state file.

use std::sync::Arc;

use super::document::Document;
use super::source::{Source, Span};

/// A value in a state file that is handed on as a whole: a plugin's section, or the probes.
#[derive(Clone, Debug)]
pub struct Section {
    document: Arc<Document>,
    node: usize,
}

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// The secret's name.
    pub name: String,
    /// Where the name stands in the file.
    pub span: Span,
}

impl Section {
    pub(super) fn new(document: Arc<Document>, node: usize) -> Self {
        Self { document, node }
    }

    /// The value as JSON without white space: keys in the operator's order, numbers as written.
    pub fn json(&self) -> &str {
        self.document.json(self.node)
    }

    /// The file that it is from.
    pub fn source(&self) -> &Arc<Source> {
        self.document.source()
    }

    /// Where the value that a JSON Pointer (RFC 6901) names stands in the file; `None` where there is no such value.
    pub fn place(&self, pointer: &str) -> Option<Span> {
        let (_, value) = self.document.find(self.node, pointer)?;
        Some(self.document.span(value))
    }

    /// Where the key of the value that a JSON Pointer names stands; the value itself where it is an item of a list.
    pub fn key_place(&self, pointer: &str) -> Option<Span> {
        let (key, value) = self.document.find(self.node, pointer)?;
        Some(self.document.span(key.unwrap_or(value)))
    }

    /// The place nearest to what a JSON Pointer names: that of the innermost value that exists. Plugins report problems by pointers,
    /// and what is missing has no place of its own.
    pub fn nearest_place(&self, pointer: &str) -> Span {
        let mut pointer = pointer;
        loop {
            if let Some(span) = self.place(pointer) {
                return span;
            }
            match pointer.rfind('/') {
                Some(at) => pointer = &pointer[..at],
                None => return self.document.span(self.node),
            }
        }
    }

    /// Where the section's own key stands.
    pub fn name_place(&self) -> Span {
        // A section is the value of a key, and a value follows its key in the list of nodes.
        self.document.span(self.node.saturating_sub(1))
    }

    /// The references to secrets: objects `{"secret": NAME}`, with or without a `fingerprint` beside it.
    pub fn secrets(&self) -> Vec<SecretPlace> {
        let references = self.references();
        references.into_iter().map(|found| found.place).collect()
    }

    /// The section's JSON with `"fingerprint"` in each reference to a secret, so that a plugin can compare it with what the system has.
    ///
    /// # Errors
    /// What `fingerprint` returns first, for instance because there is no such secret.
    pub fn json_with_fingerprints<E>(
        &self,
        mut fingerprint: impl FnMut(&SecretPlace) -> Result<String, E>,
    ) -> Result<String, E> {
        let whole = self.document.json_range(self.node);
        let mut json = String::with_capacity(whole.len());
        let mut copied = whole.start;
        for reference in self.references() {
            let value = serde_json::Value::String(fingerprint(&reference.place)?).to_string();
            let section = self.json();
            json.push_str(&section[copied - whole.start..reference.at.start - whole.start]);
            if reference.at.is_empty() {
                json.push_str(",\"fingerprint\":");
            }
            json.push_str(&value);
            copied = reference.at.end;
        }
        json.push_str(&self.json()[copied - whole.start..]);
        Ok(json)
    }

    fn references(&self) -> Vec<Reference> {
        let document = &*self.document;
        (self.node..document.next(self.node))
            .filter_map(|node| reference(document, node))
            .collect()
    }
}

struct Reference {
    place: SecretPlace,
    /// Where in the JSON text the fingerprint belongs: in place of one, or at a point where there is none.
    at: std::ops::Range<usize>,
}

fn reference(document: &Document, node: usize) -> Option<Reference> {
    if !document.is_object(node) {
        return None;
    }
    let mut name = None;
    let mut fingerprint = None;
    for (key, value) in document.entries(node) {
        match document.string(key).as_deref() {
            Some("secret") => name = Some(value),
            Some("fingerprint") => fingerprint = Some(value),
            _ => return None,
        }
    }
    let name = name?;
    let text = document.string(name)?;
    let end = document.json_range(node).end - 1;
    Some(Reference {
        place: SecretPlace {
            name: text.into_owned(),
            span: document.span(name),
        },
        at: fingerprint.map_or(end..end, |value| document.json_range(value)),
    })
}
