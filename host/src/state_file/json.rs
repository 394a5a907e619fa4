//! Reads JSON (RFC 8259), keeping the place of every value.
//!
//! serde_json tells no places, and no well-kept crate tells them for JSON and YAML alike; numbers stay the text that they are, so that
//! integers of 64 bits survive exactly. One pass, linear in the size of the text.

use std::borrow::Cow;

use super::document::Builder;
use super::problem::Problem;
use super::source::Span;

/// Reads one JSON value that fills the text.
pub(super) fn parse(text: &str) -> Result<Builder<'_>, Problem> {
    let mut parser = Parser {
        text,
        at: 0,
        out: Builder::new(text.len()),
    };
    parser.value()?;
    parser.skip_space();
    if parser.at < text.len() {
        let message = format!("unexpected {} after the end of the value", parser.here());
        return Err(parser.problem(message));
    }
    Ok(parser.out)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    out: Builder<'a>,
}

impl<'a> Parser<'a> {
    /// Recursion is bounded: the builder refuses what lies too deep.
    fn value(&mut self) -> Result<(), Problem> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => {
                let (text, span) = self.string()?;
                self.out.string(&text, span)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => self.word(),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self) -> Result<(), Problem> {
        self.out.open(true, Span::new(self.at, self.at + 1))?;
        self.at += 1;
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                self.skip_space();
                if self.peek() != Some(b'"') {
                    return Err(match self.peek() {
                        Some(b'}') => self.trailing_comma(),
                        Some(byte) if byte.is_ascii_alphabetic() || byte == b'\'' => {
                            self.expected("a key").help("a key stands in double quotes")
                        }
                        _ => self.expected("a key"),
                    });
                }
                let (key, span) = self.string()?;
                self.out.key(key, span)?;
                self.skip_space();
                if self.peek() != Some(b':') {
                    return Err(self.expected("':' after the key"));
                }
                self.at += 1;
                self.value()?;
                self.skip_space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.expected("',' or '}'")),
                }
            }
        }
        self.at += 1;
        self.out.close(self.at);
        Ok(())
    }

    fn list(&mut self) -> Result<(), Problem> {
        self.out.open(false, Span::new(self.at, self.at + 1))?;
        self.at += 1;
        self.skip_space();
        if self.peek() != Some(b']') {
            loop {
                self.skip_space();
                if self.peek() == Some(b']') {
                    return Err(self.trailing_comma());
                }
                self.value()?;
                self.skip_space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.expected("',' or ']'")),
                }
            }
        }
        self.at += 1;
        self.out.close(self.at);
        Ok(())
    }

    /// A string, from its opening quote; `at` is behind its closing quote afterwards.
    fn string(&mut self) -> Result<(Cow<'a, str>, Span), Problem> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(byte) if *byte < 0x20 => {
                    let place = Span::new(at, at + 1);
                    return Err(match byte {
                        b'\n' => Problem::at(
                            Span::new(start, at),
                            "this string does not end on its line".to_owned(),
                        )
                        .help("close it with '\"', or write a line break as \\n"),
                        _ => Problem::at(
                            place,
                            format!("a bare control character {byte:#04x} in a string"),
                        )
                        .help(format!("write it as \\u{byte:04x}")),
                    });
                }
                Some(_) => at += 1,
                None => {
                    return Err(Problem::at(
                        Span::new(start, self.text.len()),
                        "the file ends inside this string".to_owned(),
                    ));
                }
            }
        }
        self.at = at + 1;
        let span = Span::new(start, self.at);
        if !escaped {
            return Ok((Cow::Borrowed(&self.text[start + 1..at]), span));
        }
        match serde_json::from_str::<String>(&self.text[span.range()]) {
            Ok(text) => Ok((Cow::Owned(text), span)),
            Err(error) => {
                // The column counts the bytes of the string up to the one that is wrong.
                let wrong = self
                    .text
                    .floor_char_boundary(start + error.column().max(1) - 1);
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or_default();
                Err(Problem::at(
                    Span::new(wrong.min(at), wrong.min(at) + 1),
                    format!("{words} in this string"),
                ))
            }
        }
    }

    fn number(&mut self) -> Result<(), Problem> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start;
        while matches!(
            bytes.get(end),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_')
        ) {
            end += 1;
        }
        self.at = end;
        let span = Span::new(start, end);
        let number = &self.text[span.range()];
        if is_json_number(number) {
            check_range(number, span)?;
            self.out.literal(number, span)
        } else {
            let problem = Problem::at(span, format!("{number:?} is not a number"));
            let digits = number.trim_start_matches('-');
            Err(
                if digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit()) {
                    problem.help("a number has no zero before its first digit")
                } else {
                    problem.help("an address or another text stands in double quotes")
                },
            )
        }
    }

    fn word(&mut self) -> Result<(), Problem> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
            .unwrap_or(rest.len());
        let span = Span::new(self.at, self.at + length);
        let word = &rest[..length];
        if !matches!(word, "true" | "false" | "null") {
            let problem = Problem::at(span, "this is neither a value nor in quotes".to_owned());
            let plain = word.to_ascii_lowercase();
            return Err(match plain.as_str() {
                "true" | "false" | "null" => problem.help(format!("write {plain}")),
                "none" | "nil" | "undefined" => problem.help("write null"),
                _ => problem.help("a text stands in double quotes"),
            });
        }
        self.at += length;
        self.out.literal(word, span)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What stands at the current place, for a message.
    fn here(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(character) => format!("{character:?}"),
            None => "end of the file".to_owned(),
        }
    }

    fn expected(&self, what: &str) -> Problem {
        if self.at >= self.text.len() {
            let Some((start, is_object)) = self.out.innermost() else {
                return self.problem("the file ends before its value".to_owned());
            };
            let what = if is_object { "object" } else { "list" };
            return Problem::at(
                Span::new(start, start + 1),
                format!("the file ends inside this {what}"),
            )
            .help("the file looks cut off");
        }
        let problem = self.problem(format!("expected {what}, found {}", self.here()));
        if self.text[self.at..].starts_with("//") || self.peek() == Some(b'#') {
            return problem.help("JSON has no comments; a file named .yaml may have them");
        }
        problem
    }

    fn trailing_comma(&self) -> Problem {
        self.expected("another entry")
            .help("JSON allows no comma after the last entry")
    }

    fn problem(&self, message: String) -> Problem {
        let length = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        Problem::at(Span::new(self.at, self.at + length), message)
    }
}

/// Whether a text is a number by the grammar of RFC 8259 §6.
pub(super) fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// Refuses a number that a plugin could not read exactly: an integer beyond 64 bits, a number beyond a double's range.
pub(super) fn check_range(number: &str, span: Span) -> Result<(), Problem> {
    let is_integer = !number.contains(['.', 'e', 'E']);
    // The lengths bound the work: the digits of a number may fill the file.
    let fits = if is_integer {
        number.len() <= 20 && (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok())
    } else {
        number.len() <= 400 && number.parse::<f64>().is_ok_and(f64::is_finite)
    };
    if fits {
        return Ok(());
    }
    Err(Problem::at(
        span,
        if is_integer {
            "this integer does not fit into 64 bits".to_owned()
        } else {
            "this number is too large or too long".to_owned()
        },
    ))
}
