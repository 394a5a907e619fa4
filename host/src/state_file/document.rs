//! A parsed file: its value as JSON text, and the place of every value in what the operator wrote.
//!
//! There is no tree of values. The value is one JSON text without white space, and beside it stands a flat list of nodes in the order
//! of that text, twenty bytes each: memory stays within a few times the size of the file, and both formats share all that follows.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::problem::Problem;
use super::source::{Source, Span};

/// How deep values may lie inside each other. serde_json, which plugins written in Rust use, stops at the same depth.
pub const DEEPEST: usize = 128;

/// How many values and keys a file may hold: what 64 MiB of an ordinary state file hold, several times over. A file of nothing but
/// `0,0,0,…` would hold ten times as many, and cost a hundred times its size further on.
pub const LARGEST_COUNT: usize = 8 << 20;

/// With more keys than this in one object, looking for a duplicate uses a set instead of comparing each with each.
const FEW_KEYS: usize = 16;

/// A key or a value. Nodes lie in the order of the text; what is inside a node follows it directly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Where it stands in the source.
    start: u32,
    end: u32,
    /// Where it stands in the JSON text.
    json_start: u32,
    json_end: u32,
    /// The node after it and all that is inside it.
    next: u32,
}

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    json: String,
    nodes: Vec<Node>,
}

impl Document {
    /// The file as it was read.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The index of the outermost value.
    pub(super) const ROOT: usize = 0;

    /// A node as JSON text.
    pub(super) fn json(&self, node: usize) -> &str {
        let node = &self.nodes[node];
        &self.json[node.json_start as usize..node.json_end as usize]
    }

    /// Where a node begins and ends in the JSON text.
    pub(super) fn json_range(&self, node: usize) -> std::ops::Range<usize> {
        let node = &self.nodes[node];
        node.json_start as usize..node.json_end as usize
    }

    /// Where a node stands in the source.
    pub(super) fn span(&self, node: usize) -> Span {
        let node = &self.nodes[node];
        Span::new(node.start as usize, node.end as usize)
    }

    /// The node after a node and all that is inside it.
    pub(super) fn next(&self, node: usize) -> usize {
        self.nodes[node].next as usize
    }

    /// Whether a value is an object.
    pub(super) fn is_object(&self, node: usize) -> bool {
        self.json(node).starts_with('{')
    }

    /// The entries of an object as pairs of nodes, key and value; none for anything else.
    pub(super) fn entries(&self, object: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let end = if self.is_object(object) {
            self.next(object)
        } else {
            object + 1
        };
        let mut key = object + 1;
        std::iter::from_fn(move || {
            (key < end).then(|| {
                let entry = (key, key + 1);
                key = self.next(key + 1);
                entry
            })
        })
    }

    /// The text of a node that is a string or a key.
    pub(super) fn string(&self, node: usize) -> Option<Cow<'_, str>> {
        let json = self.json(node);
        let inner = json.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str::<String>(json).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The node that a JSON Pointer (RFC 6901) leads to from `value`: the key that names it, if it has one, and the value.
    pub(super) fn find(&self, value: usize, pointer: &str) -> Option<(Option<usize>, usize)> {
        let mut found = (None, value);
        if pointer.is_empty() {
            return Some(found);
        }
        for token in pointer.strip_prefix('/')?.split('/') {
            let name = token.replace("~1", "/").replace("~0", "~");
            found = self.step(found.1, &name)?;
        }
        Some(found)
    }

    fn step(&self, value: usize, name: &str) -> Option<(Option<usize>, usize)> {
        if self.is_object(value) {
            let (key, value) = self
                .entries(value)
                .find(|(key, _)| self.string(*key).is_some_and(|text| text == name))?;
            return Some((Some(key), value));
        }
        if !self.json(value).starts_with('[') || (name.len() > 1 && name.starts_with('0')) {
            return None;
        }
        let index: usize = name.parse().ok()?;
        let end = self.next(value);
        let mut item = value + 1;
        for _ in 0..index {
            if item >= end {
                return None;
            }
            item = self.next(item);
        }
        (item < end).then_some((None, item))
    }
}

/// Where the parsers of both formats put what they find; it enforces the limits that both share.
pub(super) struct Builder<'a> {
    json: String,
    nodes: Vec<Node>,
    open: Vec<Open<'a>>,
}

/// A list or an object whose end has not been seen.
struct Open<'a> {
    node: usize,
    is_object: bool,
    /// A key has been read, its value not yet.
    after_key: bool,
    keys: Vec<Cow<'a, str>>,
    many_keys: HashSet<Cow<'a, str>>,
}

impl<'a> Builder<'a> {
    /// For a text of this many bytes.
    pub(super) fn new(size: usize) -> Self {
        Self {
            json: String::with_capacity(size),
            nodes: Vec::with_capacity((size / 8).min(LARGEST_COUNT)),
            open: Vec::new(),
        }
    }

    /// What was found, once all that was opened is closed.
    pub(super) fn finish(self, source: Arc<Source>) -> Document {
        debug_assert!(self.open.is_empty());
        Document {
            source,
            json: self.json,
            nodes: self.nodes,
        }
    }

    /// Where the innermost open list or object begins, and whether it is an object.
    pub(super) fn innermost(&self) -> Option<(usize, bool)> {
        let open = self.open.last()?;
        Some((self.nodes[open.node].start as usize, open.is_object))
    }

    /// Whether the next scalar is a key.
    pub(super) fn wants_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.is_object && !open.after_key)
    }

    /// A number or a word, exactly as JSON has it.
    pub(super) fn literal(&mut self, json: &str, span: Span) -> Result<(), Problem> {
        let node = self.begin(span)?;
        self.json.push_str(json);
        self.end(node, span.end);
        Ok(())
    }

    /// A string by its text.
    pub(super) fn string(&mut self, text: &str, span: Span) -> Result<(), Problem> {
        let node = self.begin(span)?;
        self.push_string(text);
        self.end(node, span.end);
        Ok(())
    }

    /// A key by its text.
    pub(super) fn key(&mut self, text: Cow<'a, str>, span: Span) -> Result<(), Problem> {
        let open = self
            .open
            .last_mut()
            .expect("a key is read inside an object only");
        let many = open.keys.len() >= FEW_KEYS;
        if many && open.many_keys.is_empty() {
            open.many_keys.extend(open.keys.iter().cloned());
        }
        let twice = if many {
            !open.many_keys.insert(text.clone())
        } else {
            open.keys.contains(&text)
        };
        if twice {
            return Err(Problem::at(span, format!("the key {text:?} is here twice"))
                .help("keep one of the two"));
        }
        if !many {
            open.keys.push(text.clone());
        }
        let node = self.begin(span)?;
        self.push_string(&text);
        self.end(node, span.end);
        self.json.push(':');
        self.open.last_mut().expect("it is still open").after_key = true;
        Ok(())
    }

    /// The start of a list or an object.
    pub(super) fn open(&mut self, is_object: bool, span: Span) -> Result<(), Problem> {
        if self.open.len() == DEEPEST {
            return Err(Problem::at(
                span,
                format!("this lies deeper than {DEEPEST} lists and objects inside each other"),
            ));
        }
        let node = self.begin(span)?;
        self.json.push(if is_object { '{' } else { '[' });
        self.open.push(Open {
            node,
            is_object,
            after_key: false,
            keys: Vec::new(),
            many_keys: HashSet::new(),
        });
        Ok(())
    }

    /// The end of the innermost list or object; `end` is the byte after it.
    pub(super) fn close(&mut self, end: usize) {
        let open = self.open.pop().expect("only what is open is closed");
        self.json.push(if open.is_object { '}' } else { ']' });
        self.end(open.node, end);
    }

    fn begin(&mut self, span: Span) -> Result<usize, Problem> {
        if self.nodes.len() == LARGEST_COUNT {
            return Err(Problem::at(
                span,
                format!("the file holds more than {LARGEST_COUNT} values"),
            ));
        }
        if let Some(open) = self.open.last_mut() {
            let first = open.node + 1 == self.nodes.len();
            if !first && !open.after_key {
                self.json.push(',');
            }
            open.after_key = false;
        }
        let at = small(self.json.len());
        self.nodes.push(Node {
            start: small(span.start),
            end: small(span.end),
            json_start: at,
            json_end: at,
            next: 0,
        });
        Ok(self.nodes.len() - 1)
    }

    fn end(&mut self, node: usize, end: usize) {
        let next = small(self.nodes.len());
        let json_end = small(self.json.len());
        let node = &mut self.nodes[node];
        node.end = small(end);
        node.json_end = json_end;
        node.next = next;
    }

    fn push_string(&mut self, text: &str) {
        let plain = !text
            .bytes()
            .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        if plain {
            self.json.push('"');
            self.json.push_str(text);
            self.json.push('"');
        } else {
            self.json
                .push_str(&serde_json::to_string(text).expect("a string is always JSON"));
        }
    }
}

/// Offsets fit: a file is at most 64 MiB, and its JSON text at most six times as long.
fn small(offset: usize) -> u32 {
    u32::try_from(offset).expect("the limit on a file's size keeps offsets small")
}
