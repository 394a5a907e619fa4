//! Type signatures (D-Bus specification, "Type System", and "Valid Signatures").

use super::error::{Fallible, malformed};

/// The longest signature, in bytes.
const LONGEST: usize = 255;
/// How deep arrays nest in one signature, and how deep structures and dictionary entries do.
const DEEPEST: u8 = 32;

/// A valid sequence of complete types.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signature<'a>(&'a [u8]);

impl<'a> Signature<'a> {
    /// Checks `text` against the rules of the specification.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &'a [u8]) -> Fallible<Self> {
        let refuse = |why: &str| {
            malformed(format!(
                "{:?} is no D-Bus signature: {why}",
                String::from_utf8_lossy(&text[..text.len().min(LONGEST)])
            ))
        };
        if text.len() > LONGEST {
            return refuse("it is longer than 255 bytes");
        }
        let mut rest = text;
        while !rest.is_empty() {
            rest = match complete_type(rest, 0, 0) {
                Ok(rest) => rest,
                Err(why) => return refuse(why),
            };
        }
        Ok(Self(text))
    }

    /// The codes, for a walk along them.
    pub(in crate::backends::dbus) fn codes(self) -> &'a [u8] {
        self.0
    }

    /// How many complete types it has.
    pub fn count(self) -> usize {
        let (mut rest, mut count) = (self.0, 0);
        while !rest.is_empty() {
            rest = &rest[length(rest)..];
            count += 1;
        }
        count
    }
}

/// Walks over one complete type and returns what follows it.
fn complete_type(codes: &[u8], arrays: u8, structs: u8) -> Result<&[u8], &'static str> {
    let Some((&code, rest)) = codes.split_first() else {
        return Err("a type is missing at its end");
    };
    match code {
        _ if is_basic(code) || code == b'v' => Ok(rest),
        b'a' if arrays == DEEPEST => Err("arrays nest deeper than 32"),
        b'a' => match rest.split_first() {
            Some((b'{', entry)) => dict_entry(entry, arrays + 1, structs),
            _ => complete_type(rest, arrays + 1, structs),
        },
        b'(' if structs == DEEPEST => Err("structures nest deeper than 32"),
        b'(' if rest.first() == Some(&b')') => Err("a structure is empty"),
        b'(' => {
            let mut rest = rest;
            loop {
                rest = complete_type(rest, arrays, structs + 1)?;
                match rest.split_first() {
                    Some((b')', after)) => return Ok(after),
                    Some(_) => {}
                    None => return Err("a structure does not end"),
                }
            }
        }
        b'{' => Err("a dictionary entry stands outside an array"),
        b')' | b'}' => Err("a bracket closes what was not opened"),
        _ => Err("it has a code that is no type"),
    }
}

fn dict_entry(entry: &[u8], arrays: u8, structs: u8) -> Result<&[u8], &'static str> {
    if structs == DEEPEST {
        return Err("dictionary entries nest deeper than 32");
    }
    match entry.split_first() {
        Some((&key, value)) if is_basic(key) => {
            match complete_type(value, arrays, structs + 1)?.split_first() {
                Some((b'}', after)) => Ok(after),
                _ => Err("a dictionary entry has one key and one value"),
            }
        }
        _ => Err("a dictionary's key must be of a basic type"),
    }
}

fn is_basic(code: u8) -> bool {
    b"ybnqiuxtdsogh".contains(&code)
}

/// The length of the first complete type of a valid, non-empty signature.
pub(super) fn length(codes: &[u8]) -> usize {
    let mut at = 0;
    while codes[at] == b'a' {
        at += 1;
    }
    if !matches!(codes[at], b'(' | b'{') {
        return at + 1;
    }
    let mut open = 0;
    loop {
        match codes[at] {
            b'(' | b'{' => open += 1,
            b')' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return at;
        }
    }
}

/// The boundary at which a value that begins with this code is laid out (D-Bus specification, "Summary of D-Bus marshalling").
pub(super) fn alignment(code: u8) -> usize {
    match code {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

/// Whether a dictionary with keys of this type is an object in JSON: those that JSON says as strings, as busctl has it.
pub(super) fn is_text(key: u8) -> bool {
    matches!(key, b's' | b'o' | b'g')
}

/// Whether `path` is a valid object path (D-Bus specification, "Valid Object Paths").
pub(super) fn is_object_path(path: &[u8]) -> bool {
    path == b"/"
        || path.strip_prefix(b"/").is_some_and(|elements| {
            elements.split(|b| *b == b'/').all(|element| {
                !element.is_empty()
                    && element
                        .iter()
                        .all(|b| b.is_ascii_alphanumeric() || *b == b'_')
            })
        })
}

/// A type by its code, in the specification's words.
pub(super) fn name(code: u8) -> &'static str {
    match code {
        b'y' => "byte (y)",
        b'b' => "boolean (b)",
        b'n' => "16-bit signed integer (n)",
        b'q' => "16-bit unsigned integer (q)",
        b'i' => "32-bit signed integer (i)",
        b'u' => "32-bit unsigned integer (u)",
        b'x' => "64-bit signed integer (x)",
        b't' => "64-bit unsigned integer (t)",
        b'd' => "double (d)",
        b's' => "string (s)",
        b'o' => "object path (o)",
        b'g' => "signature (g)",
        b'h' => "file descriptor (h)",
        b'v' => "variant (v)",
        b'a' => "array (a)",
        b'(' => "structure",
        b'{' => "dictionary (a{})",
        _ => "value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_valid_or_say_why_not() {
        for good in [
            "",
            "s",
            "a{sv}",
            "a{oa{sa{sv}}}",
            "(i(ss))av",
            "aaaai",
            "vv",
        ] {
            assert!(Signature::parse(good.as_bytes()).is_ok(), "{good}");
        }
        let deep =
            |open: &str, n: usize, close: &str| format!("{}y{}", open.repeat(n), close.repeat(n));
        assert!(Signature::parse(deep("a", 32, "").as_bytes()).is_ok());
        assert!(Signature::parse(deep("(", 32, ")").as_bytes()).is_ok());
        for bad in [
            "a",
            "(",
            "()",
            "(i",
            "i)",
            "{sv}",
            "a{vs}",
            "a{s}",
            "a{sss}",
            "z",
            "a{sv",
            "r",
            "e",
            "m",
            "\0",
            &deep("a", 33, ""),
            &deep("(", 33, ")"),
            &"y".repeat(256),
        ] {
            assert!(Signature::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let of = |text: &str| Signature::parse(text.as_bytes()).unwrap().count();
        assert_eq!(of("a{sv}(ii)aa(ss)y"), 4);
    }
}
