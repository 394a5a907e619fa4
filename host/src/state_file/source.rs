//! The text of a file and places in it.

use std::ops::Range;

/// A stretch of a file's text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The stretch from `start` to before `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The same as a range, to index a text with.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Where a person finds a byte of a file: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A file that was read: its name as the operator wrote it, and its text.
#[derive(Debug)]
pub struct Source {
    /// The path, or `<stdin>`.
    pub name: String,
    /// What it holds, without a byte order mark.
    pub text: String,
}

impl Source {
    /// Line and column of a byte; of the end of the text where the byte lies behind it.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let offset = self.floor(offset);
        let before = &self.text.as_bytes()[..line.start];
        Position {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + self.text[line.start..offset.max(line.start)]
                .chars()
                .count(),
        }
    }

    /// The line that a byte is on, without its end.
    pub fn line(&self, offset: usize) -> Range<usize> {
        let offset = self.floor(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[offset..]
            .find('\n')
            .map_or(self.text.len(), |at| offset + at);
        let line = self.text[start..end].trim_end_matches('\r');
        start..start + line.len()
    }

    /// The nearest start of a character at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}
