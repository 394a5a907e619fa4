//! A strict reader of JSON text (RFC 8259) for callers that know what comes next.
//!
//! A parser that makes numbers on its own would round integers of 64 bits and doubles; this one hands out their digits.

use std::borrow::Cow;

use super::error::{Fallible, malformed};

/// No document nests deeper (`types.json` of the contract).
const DEEPEST: usize = 128;

/// What stands next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
    Nothing,
}

impl Kind {
    /// With its article, for an error.
    pub(super) fn found(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
            Self::Nothing => "nothing that JSON knows",
        }
    }
}

/// A place in a text.
pub(super) struct Text<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// Where values end that were passed over and will be read again, by where they begin, in order.
    passed: Vec<(usize, usize)>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            passed: Vec::new(),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is not white space; 0 at the end.
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return *byte;
            }
            self.at += 1;
        }
        0
    }

    pub(super) fn kind(&mut self) -> Kind {
        match self.peek() {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => Kind::Nothing,
        }
    }

    /// Takes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == byte;
        self.at += usize::from(next);
        next
    }

    pub(super) fn expect(&mut self, byte: u8) -> Fallible<()> {
        if self.take(byte) {
            return Ok(());
        }
        malformed(format!(
            "this is no JSON: {:?} is missing at byte {}",
            char::from(byte),
            self.at
        ))
    }

    /// Whether another item follows in an array or object that `close` ends. `first` before the first item.
    pub(super) fn another(&mut self, first: bool, close: u8) -> Fallible<bool> {
        if self.take(close) {
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.peek() == 0 && self.at == self.text.len()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self) -> Fallible<bool> {
        self.peek();
        for (word, value) in [("true", true), ("false", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        malformed("this is no JSON: a word that is neither true nor false")
    }

    /// The digits of a number, as they stand.
    pub(super) fn number(&mut self) -> Fallible<&'a str> {
        self.peek();
        let (bytes, start) = (self.bytes(), self.at);
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut end = digits(whole);
        let mut sound = end > whole && (bytes[whole] != b'0' || end == whole + 1);
        if bytes.get(end) == Some(&b'.') {
            let after = digits(end + 1);
            sound &= after > end + 1;
            end = after;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            sound &= after > end + 1 + sign;
            end = after;
        }
        if !sound {
            return malformed(format!(
                "this is no JSON: a malformed number at byte {start}"
            ));
        }
        self.at = end;
        Ok(&self.text[start..end])
    }

    /// A string, borrowed unless something in it is escaped.
    pub(super) fn string(&mut self) -> Fallible<Cow<'a, str>> {
        self.expect(b'"')?;
        let (bytes, start) = (self.bytes(), self.at);
        let mut plain = start;
        let mut unescaped: Option<String> = None;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let rest = &self.text[plain..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(rest),
                        Some(head) => Cow::Owned(head + rest),
                    });
                }
                Some(b'\\') => {
                    let head = unescaped.get_or_insert_default();
                    head.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    let character = self.escape()?;
                    unescaped.get_or_insert_default().push(character);
                    plain = self.at;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return malformed("this is no JSON: a control character in a string"),
                None => return malformed("this is no JSON: a string does not end"),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Fallible<char> {
        let byte = self.bytes().get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex()?;
                let code = match first {
                    0xd800..0xdc00 if self.bytes()[self.at..].starts_with(b"\\u") => {
                        self.at += 2;
                        match self.hex()? {
                            second @ 0xdc00..0xe000 => {
                                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                            }
                            _ => first,
                        }
                    }
                    _ => first,
                };
                match char::from_u32(code) {
                    Some(character) => character,
                    None => return malformed("this is no Unicode: half of a surrogate pair"),
                }
            }
            _ => return malformed("this is no JSON: an escape that it does not know"),
        })
    }

    fn hex(&mut self) -> Fallible<u32> {
        let digits = self.bytes().get(self.at..self.at + 4);
        self.at += 4;
        let mut value = 0;
        for digit in digits.unwrap_or(b"-") {
            match char::from(*digit).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return malformed("this is no JSON: \\u takes four hexadecimal digits"),
            }
        }
        Ok(value)
    }

    /// Passes over a value that will be read later.
    ///
    /// Values under a key `data` inside it are remembered, so that variants in variants, each with its type last, cost no more than
    /// two passes.
    pub(super) fn pass(&mut self) -> Fallible<()> {
        self.peek();
        if let Ok(known) = self
            .passed
            .binary_search_by_key(&self.at, |(start, _)| *start)
        {
            self.at = self.passed[known].1;
            return Ok(());
        }
        // What lies before was read and will not come again.
        if self.passed.last().is_none_or(|(start, _)| *start < self.at) {
            self.passed.clear();
        }
        self.pass_value(0)
    }

    fn pass_value(&mut self, depth: usize) -> Fallible<()> {
        if depth > DEEPEST {
            return malformed("JSON that nests deeper than 128");
        }
        match self.kind() {
            Kind::Object => {
                self.at += 1;
                let mut first = true;
                while self.another(first, b'}')? {
                    first = false;
                    let key = self.string()?;
                    self.expect(b':')?;
                    let container = matches!(self.kind(), Kind::Object | Kind::Array);
                    if container && key == "data" {
                        let slot = self.passed.len();
                        self.passed.push((self.at, 0));
                        self.pass_value(depth + 1)?;
                        self.passed[slot].1 = self.at;
                    } else {
                        self.pass_value(depth + 1)?;
                    }
                }
                Ok(())
            }
            Kind::Array => {
                self.at += 1;
                let mut first = true;
                while self.another(first, b']')? {
                    first = false;
                    self.pass_value(depth + 1)?;
                }
                Ok(())
            }
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Boolean => self.boolean().map(drop),
            Kind::Null if self.text[self.at..].starts_with("null") => {
                self.at += 4;
                Ok(())
            }
            _ => malformed(format!(
                "this is no JSON: nothing it knows at byte {}",
                self.at
            )),
        }
    }
}
