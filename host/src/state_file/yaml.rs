//! Reads YAML 1.2 by its core schema, keeping the place of every value.
//!
//! What surprises is refused instead of guessed at: anchors, aliases (a few lines can stand for gigabytes), tags, merge keys, more than
//! one document, keys that are no strings. `no`, `yes`, `on` and `off` are strings, as YAML 1.2 has it. The scanner is that of the crate
//! `saphyr-parser`: it reports places, is maintained, and brings one small dependency.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::document::Builder;
use super::json::{check_range, is_json_number};
use super::problem::Problem;
use super::source::Span;

/// No larger YAML is read, in bytes: its scanner takes some twenty times as long as JSON.
pub const LARGEST_YAML: usize = 8 << 20;

/// How many commas and opening brackets a YAML file may have: between two brackets the scanner remembers every token, with some hundred
/// bytes for each. Blocks, which is how YAML is mostly written, have none.
const MOST_FLOW: usize = 1 << 19;

/// Reads one YAML document. `None` where there is none, as in a file of comments.
pub(super) fn parse(text: &str) -> Result<Option<Builder<'_>>, Problem> {
    if text.len() > LARGEST_YAML {
        return Err(Problem::at(
            Span::new(0, 0),
            format!("more than {} MiB of YAML", LARGEST_YAML >> 20),
        )
        .help("write a state file this large as JSON"));
    }
    let flow = text
        .bytes()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{'))
        .count();
    if flow > MOST_FLOW {
        return Err(Problem::at(
            Span::new(0, 0),
            format!("more than {MOST_FLOW} commas and brackets in YAML"),
        )
        .help("write a state file this large as JSON"));
    }
    let mut reader = Reader {
        text,
        place: Cursor::new(text),
        out: Builder::new(text.len()),
        last: 0,
    };
    let mut events = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = events.next_event() {
        let (event, span) = event.map_err(|error| reader.broken(&error))?;
        let span = reader.place.span(span);
        match event {
            Event::DocumentStart(_) if documents == 1 => {
                return Err(Problem::at(
                    span,
                    "a second document begins here; a state file is one".to_owned(),
                ));
            }
            Event::DocumentStart(_) => documents += 1,
            event => reader.event(event, span)?,
        }
    }
    Ok((documents == 1).then_some(reader.out))
}

struct Reader<'a> {
    text: &'a str,
    place: Cursor<'a>,
    out: Builder<'a>,
    /// The end of the last scalar, list or object: a block has no end of its own.
    last: usize,
}

impl<'a> Reader<'a> {
    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_decoration(anchor, tag.is_some(), span)?;
                self.last = span.end;
                self.scalar(text, style, span)
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                self.refuse_decoration(anchor, tag.is_some(), span)
            }
            Event::SequenceStart(..) => self.open(false, span),
            Event::MappingStart(..) => self.open(true, span),
            Event::SequenceEnd | Event::MappingEnd => {
                let (start, _) = self.out.innermost().expect("what ends had begun");
                let is_flow = self.text[start..].starts_with(['{', '[']);
                if is_flow && span.end > start {
                    self.last = span.end;
                }
                self.out.close(self.last.max(start));
                Ok(())
            }
            Event::Alias(_) => Err(aliased(self.visible(span))),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn open(&mut self, is_object: bool, span: Span) -> Result<(), Problem> {
        if self.out.wants_key() {
            return Err(not_a_string(self.visible(span)));
        }
        // Until its end is known, an error in it points at its first character.
        self.last = span.start;
        self.out
            .open(is_object, self.visible(Span::new(span.start, span.start)))
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        span: Span,
    ) -> Result<(), Problem> {
        let plain = style == ScalarStyle::Plain;
        if self.out.wants_key() {
            if plain && text == "<<" {
                return Err(Problem::at(span, "merge keys are not supported".to_owned())
                    .help("write the keys out"));
            }
            if plain && !matches!(resolve(&text), Resolved::Text) {
                return Err(not_a_string(self.visible(span)));
            }
            return self.out.key(text, span);
        }
        if !plain {
            return self.out.string(&text, span);
        }
        match resolve(&text) {
            Resolved::Text => self.out.string(&text, span),
            Resolved::Literal(json) => {
                if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
                    check_range(&json, span)?;
                }
                self.out.literal(&json, span)
            }
            Resolved::Beyond => Err(Problem::at(
                span,
                format!("JSON, which plugins speak, has no number like {text}"),
            )
            .help("put it in quotes if it is a text")),
        }
    }

    fn refuse_decoration(&self, anchor: usize, tag: bool, span: Span) -> Result<(), Problem> {
        let span = self.visible(span);
        if tag {
            return Err(Problem::at(span, "tags are not supported".to_owned())
                .help("leave it out; put a value in quotes to make it a text"));
        }
        if anchor != 0 {
            return Err(Problem::at(span, "anchors are not supported".to_owned())
                .help("leave it out, and write the value out where it is needed"));
        }
        Ok(())
    }

    fn broken(&mut self, error: &saphyr_parser::ScanError) -> Problem {
        let at = self.place.byte(error.marker().index());
        let span = self.visible(Span::new(at, at));
        if error.info().contains("unknown anchor") {
            return aliased(span);
        }
        let before = self.text[..span.start].trim_start_matches(|c| c != '\n');
        let has_tab = before
            .rsplit('\n')
            .next()
            .is_some_and(|line| line.contains('\t'))
            || self.text[span.start..].starts_with('\t');
        let problem = Problem::at(span, error.info().to_owned());
        if has_tab {
            problem.help("YAML is indented by spaces; a tab cannot be used")
        } else {
            problem
        }
    }

    /// A place of at least one character, where there is one.
    fn visible(&self, span: Span) -> Span {
        if span.end > span.start {
            return span;
        }
        let width = self.text[span.start..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        Span::new(span.start, span.start + width)
    }
}

fn aliased(span: Span) -> Problem {
    Problem::at(span, "aliases are not supported").help("write the value out")
}

fn not_a_string(span: Span) -> Problem {
    Problem::at(span, "a key must be a text".to_owned()).help("put it in double quotes")
}

/// What a plain scalar means.
enum Resolved {
    Text,
    /// A number or a word, as JSON has it.
    Literal(Cow<'static, str>),
    /// A number that JSON has not.
    Beyond,
}

/// YAML 1.2.2 §10.3.2, tag resolution of the core schema.
fn resolve(text: &str) -> Resolved {
    let word = |json| Resolved::Literal(Cow::Borrowed(json));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return word("null"),
        "true" | "True" | "TRUE" => return word("true"),
        "false" | "False" | "FALSE" => return word("false"),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Beyond,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Resolved::Beyond;
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return match u64::from_str_radix(digits, radix) {
                Ok(number) => Resolved::Literal(number.to_string().into()),
                Err(_) => Resolved::Beyond,
            };
        }
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Resolved::Text;
    }
    let minus = if text.starts_with('-') { "-" } else { "" };
    match as_json_number(unsigned) {
        Some(number) => Resolved::Literal(format!("{minus}{number}").into()),
        None => Resolved::Text,
    }
}

/// `[0-9]+` and `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` in the form that JSON has for them: YAML allows zeros in front, and
/// no digit on one side of the point.
fn as_json_number(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let number = match fraction {
        None => format!("{whole}{exponent}"),
        Some("") => format!("{whole}.0{exponent}"),
        Some(fraction) => format!("{whole}.{fraction}{exponent}"),
    };
    is_json_number(&number).then_some(number)
}

/// Turns places counted in characters into places counted in bytes. Places come almost in order, so it steps from the last one.
struct Cursor<'a> {
    text: &'a str,
    characters: usize,
    bytes: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            characters: 0,
            bytes: 0,
        }
    }

    fn span(&mut self, span: saphyr_parser::Span) -> Span {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index());
        Span::new(start, end.max(start))
    }

    fn byte(&mut self, character: usize) -> usize {
        while self.characters < character {
            let Some(next) = self.text[self.bytes..].chars().next() else {
                break;
            };
            self.bytes += next.len_utf8();
            self.characters += 1;
        }
        while self.characters > character {
            let Some(previous) = self.text[..self.bytes].chars().next_back() else {
                break;
            };
            self.bytes -= previous.len_utf8();
            self.characters -= 1;
        }
        self.bytes
    }
}
