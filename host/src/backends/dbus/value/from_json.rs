//! From JSON to the wire.

use super::error::{Fallible, Problem, ValueError, malformed, too_large};
use super::secrets::{Secrets, bytes_of};
use super::signature::{Signature, alignment, is_object_path, is_text, length, name};
use super::text::{Kind, Text};
use super::to_json::deeper;
use super::{LARGEST_ARRAY, Order, repeated_key};
use crate::contract::types::Secret;

/// The body of a message from a JSON array with one item for each complete type of `signature`.
///
/// # Errors
/// When `arguments` are not what the signature says: the error names the place, what is expected there and what was found.
pub fn from_json(
    signature: Signature,
    arguments: &str,
    order: Order,
    secrets: &dyn Secrets,
) -> Result<Vec<u8>, Box<ValueError>> {
    let mut encoder = Encoder {
        text: Text::new(arguments),
        out: Vec::with_capacity(arguments.len()),
        order,
        secrets,
        kept: false,
        keys: Vec::new(),
    };
    let wanted = format!("an array of {} arguments", signature.count());
    if encoder.text.kind() != Kind::Array {
        return encoder.mismatch(&wanted);
    }
    encoder.arguments(signature.codes(), &wanted)?;
    if !encoder.text.at_end() {
        return malformed("this is no JSON: something follows the arguments");
    }
    Ok(encoder.out)
}

struct Encoder<'a> {
    text: Text<'a>,
    out: Vec<u8>,
    order: Order,
    secrets: &'a dyn Secrets,
    /// Whether it stands in a place that is secret.
    kept: bool,
    /// Where the keys of the dictionaries that are open stand in `out`.
    keys: Vec<(usize, usize)>,
}

impl Encoder<'_> {
    /// The items of [`Self::sequence`] as arguments: each is a place of its own.
    fn arguments(&mut self, codes: &[u8], wanted: &str) -> Fallible<()> {
        self.items(codes, wanted, |encoder, first, index| {
            encoder.within(&index.to_string(), |encoder| encoder.value(first, 0))
        })
    }

    /// A JSON array with one item for each of the types of `codes`.
    fn sequence(&mut self, codes: &[u8], depth: u8, wanted: &str) -> Fallible<()> {
        self.items(codes, wanted, |encoder, first, _| {
            encoder.value(first, depth)
        })
    }

    /// What `work` does stands in this place.
    fn within<T>(&mut self, place: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.kept;
        self.kept = outside || self.secrets.keeps(place);
        let done = work(self);
        self.kept = outside;
        done
    }

    fn items(
        &mut self,
        mut codes: &[u8],
        wanted: &str,
        item: impl Fn(&mut Self, &[u8], usize) -> Fallible<()>,
    ) -> Fallible<()> {
        self.text.expect(b'[')?;
        let mut index = 0;
        while !codes.is_empty() {
            if !self.text.another(index == 0, b']')? {
                return malformed(format!("expected {wanted}, found {index} items"));
            }
            let (first, rest) = codes.split_at(length(codes));
            item(self, first, index).map_err(|error| error.within(index))?;
            codes = rest;
            index += 1;
        }
        match self.text.another(index == 0, b']')? {
            false => Ok(()),
            true => malformed(format!("expected {wanted}, found more than {index} items")),
        }
    }

    /// A value of the complete type `codes`, inside `depth` containers.
    fn value(&mut self, codes: &[u8], depth: u8) -> Fallible<()> {
        let kind = self.text.kind();
        match (codes[0], kind) {
            (b's', Kind::Object) => {
                let text = self.secret()?;
                self.write_text(b's', &text)
            }
            (code @ (b's' | b'o' | b'g'), Kind::String) => self.string(code),
            (b'd', Kind::Number | Kind::String) => self.double(),
            (b'b', Kind::Boolean) => {
                let value = self.text.boolean()?;
                self.number::<4>(value.into());
                Ok(())
            }
            (b'h', _) => malformed("file descriptors do not travel"),
            (b'v', Kind::Object) => self.variant(depth),
            (b'(', Kind::Array) => {
                self.align(8);
                self.sequence(
                    &codes[1..codes.len() - 1],
                    deeper(depth)?,
                    "an array of the structure's fields",
                )
            }
            (b'a', _) => self.array(&codes[1..], kind, depth),
            (code, Kind::Number) if b"ynqiuxt".contains(&code) => self.integer(code),
            (code, _) => self.mismatch(name(code)),
        }
    }

    fn mismatch<T>(&mut self, wanted: &str) -> Fallible<T> {
        let kind = self.text.kind();
        match kind {
            Kind::Number => {
                let number = self.text.number()?;
                malformed(format!("expected {wanted}, found the number {number}"))
            }
            _ => malformed(format!("expected {wanted}, found {}", kind.found())),
        }
    }

    fn integer(&mut self, code: u8) -> Fallible<()> {
        let number = self.text.number()?;
        if number.contains(['.', 'e', 'E']) {
            return malformed(format!(
                "expected {}, found the number {number}: an integer has no fraction and no exponent",
                name(code)
            ));
        }
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let bits = match code {
            b'y' => 8,
            b'n' | b'q' => 16,
            b'i' | b'u' => 32,
            _ => 64,
        };
        let largest = match (code, negative) {
            (b'n' | b'i' | b'x', true) => 1 << (bits - 1),
            (b'n' | b'i' | b'x', false) => (1 << (bits - 1)) - 1,
            (_, true) => 0,
            (_, false) => u64::MAX >> (64 - bits),
        };
        let magnitude = match digits.parse::<u64>() {
            Ok(magnitude) if magnitude <= largest => magnitude,
            _ => {
                return malformed(format!(
                    "expected {}, {number} is out of its range",
                    name(code)
                ));
            }
        };
        let value = if negative {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
        match bits {
            8 => self.out.push(value as u8),
            16 => self.number::<2>(value),
            32 => self.number::<4>(value),
            _ => self.number::<8>(value),
        }
        Ok(())
    }

    fn double(&mut self) -> Fallible<()> {
        let value = if self.text.kind() == Kind::Number {
            let number = self.text.number()?;
            match number.parse::<f64>() {
                Ok(value) if value.is_finite() => value,
                _ => {
                    return malformed(format!("expected double (d), {number} is out of its range"));
                }
            }
        } else {
            match &*self.text.string()? {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => {
                    return malformed(
                        "expected double (d), found a string other than \"NaN\", \"Infinity\" and \"-Infinity\"",
                    );
                }
            }
        };
        self.number::<8>(value.to_bits());
        Ok(())
    }

    fn string(&mut self, code: u8) -> Fallible<()> {
        let text = self.text.string()?;
        self.write_text(code, &text)
    }

    fn write_text(&mut self, code: u8, text: &str) -> Fallible<()> {
        let bytes = text.as_bytes();
        match code {
            b'o' if !is_object_path(bytes) => {
                return malformed(format!("expected object path (o), {text:?} is none"));
            }
            b'g' => {
                Signature::parse(bytes)?;
                self.out.push(bytes.len() as u8);
            }
            _ => {
                if bytes.contains(&0) {
                    return malformed("a D-Bus string cannot hold the character U+0000");
                }
                let Ok(size) = u32::try_from(bytes.len()) else {
                    return too_large("a string is larger than 4 GiB");
                };
                self.number::<4>(size.into());
            }
        }
        self.out.extend_from_slice(bytes);
        self.out.push(0);
        Ok(())
    }

    /// The text behind `{"secret": NAME}`, `{"fingerprint": FINGERPRINT}` or both.
    fn secret(&mut self) -> Fallible<String> {
        let mut secret = Secret {
            name: None,
            fingerprint: None,
        };
        self.text.expect(b'{')?;
        let mut first = true;
        while self.text.another(first, b'}')? {
            first = false;
            let key = self.text.string()?;
            self.text.expect(b':')?;
            let field = match &*key {
                "secret" => &mut secret.name,
                "fingerprint" => &mut secret.fingerprint,
                _ => {
                    return malformed(format!(
                        "expected string (s) or {{\"secret\": NAME}}, found an object with the key {key:?}"
                    ));
                }
            };
            if self.text.kind() != Kind::String {
                return self
                    .mismatch("a string")
                    .map_err(|error: Box<ValueError>| error.within(key));
            }
            if field.replace(self.text.string()?.into_owned()).is_some() {
                return malformed(format!("the key {key:?} stands twice"));
            }
        }
        self.secrets.reveal(&secret, self.kept).map_err(|failure| {
            Box::new(ValueError {
                at: String::new(),
                problem: Problem::Secret(failure),
            })
        })
    }

    fn variant(&mut self, depth: u8) -> Fallible<()> {
        self.text.expect(b'{')?;
        // Where a value that came before its type begins, until the type is known.
        let mut passed = None;
        let mut signature = None;
        let mut done = false;
        let mut first = true;
        while self.text.another(first, b'}')? {
            first = false;
            let key = self.text.string()?;
            self.text.expect(b':')?;
            match &*key {
                "type" if signature.is_none() => {
                    if self.text.kind() != Kind::String {
                        return self
                            .mismatch("a signature")
                            .map_err(|error: Box<ValueError>| error.within("type"));
                    }
                    let text = self.text.string()?;
                    let one = Signature::parse(text.as_bytes())
                        .map_err(|error| error.within("type"))?
                        .count()
                        == 1;
                    if !one {
                        return malformed(format!("a variant has one complete type, not {text:?}"))
                            .map_err(|error: Box<ValueError>| error.within("type"));
                    }
                    self.write_text(b'g', &text)?;
                    signature = Some(text);
                }
                "data" if !done && passed.is_none() => match &signature {
                    Some(signature) => {
                        self.value(signature.as_bytes(), deeper(depth)?)
                            .map_err(|error| error.within("data"))?;
                        done = true;
                    }
                    None => {
                        self.text.peek();
                        passed = Some(self.text.at);
                        self.text.pass().map_err(|error| error.within("data"))?;
                    }
                },
                "type" | "data" => return malformed(format!("the key {key:?} stands twice")),
                _ => {
                    return malformed(format!(
                        "expected variant (v) with the keys \"type\" and \"data\", found the key {key:?}"
                    ));
                }
            }
        }
        match (signature, passed) {
            (Some(_), None) if done => Ok(()),
            (Some(signature), Some(start)) => {
                let end = std::mem::replace(&mut self.text.at, start);
                self.value(signature.as_bytes(), deeper(depth)?)
                    .map_err(|error| error.within("data"))?;
                self.text.at = end;
                Ok(())
            }
            (None, _) => malformed("expected variant (v), the key \"type\" is missing"),
            (Some(_), None) => malformed("expected variant (v), the key \"data\" is missing"),
        }
    }

    fn array(&mut self, element: &[u8], kind: Kind, depth: u8) -> Fallible<()> {
        let depth = deeper(depth)?;
        self.align(4);
        let length_at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.align(alignment(element[0]));
        let start = self.out.len();
        match (element[0], kind) {
            (b'{', _) => self.dictionary(&element[1..element.len() - 1], kind, depth)?,
            (b'y', Kind::Object) => {
                let bytes = bytes_of(&self.secret()?);
                self.out.extend_from_slice(&bytes);
            }
            (_, Kind::Array) => {
                self.text.expect(b'[')?;
                let mut index = 0;
                while self.text.another(index == 0, b']')? {
                    self.value(element, depth)
                        .map_err(|error| error.within(index))?;
                    index += 1;
                }
            }
            _ => return self.mismatch("array (a)"),
        }
        let size = self.out.len() - start;
        if size > LARGEST_ARRAY {
            return too_large("an array is larger than the 64 MiB that D-Bus carries");
        }
        let size = size as u32;
        self.out[length_at..length_at + 4].copy_from_slice(&match self.order {
            Order::Little => size.to_le_bytes(),
            Order::Big => size.to_be_bytes(),
        });
        Ok(())
    }

    /// Entries of the key and value types `entry`.
    fn dictionary(&mut self, entry: &[u8], kind: Kind, depth: u8) -> Fallible<()> {
        let (key, value) = entry.split_at(1);
        let depth = deeper(depth)?;
        let object = is_text(key[0]);
        match (object, kind) {
            (true, Kind::Object) | (false, Kind::Array) => self.text.at += 1,
            (true, _) => return self.mismatch("dictionary with keys of text, an object"),
            (false, _) => return self.mismatch("dictionary, an array of pairs [key, value]"),
        }
        let close = if object { b'}' } else { b']' };
        let first = self.keys.len();
        while self.text.another(self.keys.len() == first, close)? {
            let index = self.keys.len() - first;
            self.align(8);
            if !object {
                if self.text.kind() != Kind::Array {
                    return self
                        .mismatch("a pair [key, value]")
                        .map_err(|error: Box<ValueError>| error.within(index));
                }
                self.pair(key, value, depth)
                    .map_err(|error| error.within(index))?;
                continue;
            }
            let start = self.out.len();
            let word = self.text.string()?;
            self.write_text(key[0], &word)
                .and_then(|()| self.text.expect(b':'))
                .map_err(|error| error.within(&word))?;
            self.keys.push((start, self.out.len()));
            self.within(&word, |encoder| encoder.value(value, depth))
                .map_err(|error| error.within(&word))?;
        }
        let keys = &self.keys[first..];
        let bytes = |at: usize| &self.out[keys[at].0..keys[at].1];
        if let Some(index) = repeated_key(keys.len(), bytes) {
            return match key[0] {
                b's' | b'o' => {
                    let text = String::from_utf8_lossy(&bytes(index)[4..]);
                    malformed(format!(
                        "the key {:?} stands twice",
                        text.trim_end_matches('\0')
                    ))
                }
                _ => malformed(format!("the key of entry {index} stands twice")),
            };
        }
        self.keys.truncate(first);
        Ok(())
    }

    /// `[key, value]`
    fn pair(&mut self, key: &[u8], value: &[u8], depth: u8) -> Fallible<()> {
        self.text.expect(b'[')?;
        let start = self.out.len();
        self.value(key, depth).map_err(|error| error.within(0))?;
        self.keys.push((start, self.out.len()));
        self.text.expect(b',')?;
        self.value(value, depth).map_err(|error| error.within(1))?;
        self.text.expect(b']')
    }

    fn align(&mut self, to: usize) {
        self.out.resize(self.out.len().next_multiple_of(to), 0);
    }

    /// The low `N` bytes of `value` at their boundary.
    fn number<const N: usize>(&mut self, value: u64) {
        self.align(N);
        match self.order {
            Order::Little => self.out.extend_from_slice(&value.to_le_bytes()[..N]),
            Order::Big => self.out.extend_from_slice(&value.to_be_bytes()[8 - N..]),
        }
    }
}
