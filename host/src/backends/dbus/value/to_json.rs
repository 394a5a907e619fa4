//! From the wire to JSON.

use super::error::{Fallible, ValueError, malformed, too_large};
use super::escape::{write_double, write_integer, write_string};
use super::secrets::{Secrets, text_of};
use super::signature::{Signature, alignment, is_object_path, is_text, length, name};
use super::{DEEPEST, LARGEST_ARRAY, Order, repeated_key};

/// The body of a message as a JSON array with one item for each complete type of its signature.
///
/// # Errors
/// When the body is not what its signature says, holds a file descriptor, or makes more than `largest` bytes of JSON.
pub fn to_json(
    signature: Signature,
    body: &[u8],
    order: Order,
    largest: usize,
    secrets: &dyn Secrets,
) -> Result<String, Box<ValueError>> {
    let mut decoder = Decoder {
        body,
        at: 0,
        order,
        out: String::with_capacity((body.len() + body.len() / 2 + 2).min(largest)),
        largest,
        keys: Vec::new(),
        secrets,
        kept: false,
    };
    decoder.out.push('[');
    decoder.arguments(signature.codes())?;
    decoder.out.push(']');
    if decoder.at < body.len() {
        return malformed("the body is longer than its signature says");
    }
    Ok(decoder.out)
}

struct Decoder<'a> {
    body: &'a [u8],
    at: usize,
    order: Order,
    out: String,
    largest: usize,
    /// The keys of the dictionaries that are open, as they stand on the wire.
    keys: Vec<&'a [u8]>,
    secrets: &'a dyn Secrets,
    /// Whether it stands in a place that is secret.
    kept: bool,
}

impl<'a> Decoder<'a> {
    /// Values of all types of `codes` as arguments: each is a place of its own.
    fn arguments(&mut self, codes: &'a [u8]) -> Fallible<()> {
        self.each(codes, |decoder, first, index| {
            decoder.within(&index.to_string(), |decoder| decoder.value(first, 0))
        })
    }

    /// Values of all types of `codes`, with commas between.
    fn sequence(&mut self, codes: &'a [u8], depth: u8) -> Fallible<()> {
        self.each(codes, |decoder, first, _| decoder.value(first, depth))
    }

    /// What `work` does stands in this place.
    fn within<T>(&mut self, place: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.kept;
        self.kept = outside || self.secrets.keeps(place);
        let done = work(self);
        self.kept = outside;
        done
    }

    fn each(
        &mut self,
        mut codes: &'a [u8],
        item: impl Fn(&mut Self, &'a [u8], usize) -> Fallible<()>,
    ) -> Fallible<()> {
        let mut index = 0;
        while !codes.is_empty() {
            if index > 0 {
                self.out.push(',');
            }
            let (first, rest) = codes.split_at(length(codes));
            item(self, first, index).map_err(|error| error.within(index))?;
            codes = rest;
            index += 1;
        }
        Ok(())
    }

    /// A value of the complete type `codes`, inside `depth` containers.
    fn value(&mut self, codes: &'a [u8], depth: u8) -> Fallible<()> {
        self.unbounded_value(codes, depth)?;
        match self.out.len() > self.largest {
            true => too_large(format!("it makes more than {} bytes of JSON", self.largest)),
            false => Ok(()),
        }
    }

    /// The same, where the caller sees to it that the JSON does not get too large.
    fn unbounded_value(&mut self, codes: &'a [u8], depth: u8) -> Fallible<()> {
        match codes[0] {
            b's' => {
                let text = self.text(b's')?;
                self.write(text);
                Ok(())
            }
            b'o' | b'g' => {
                let text = self.text(codes[0])?;
                write_string(&mut self.out, text);
                Ok(())
            }
            b'a' if self.kept && codes[1] == b'y' => self.secret_bytes(&codes[1..], depth),
            b'a' => self.array(&codes[1..], depth),
            b'v' => self.variant(depth),
            b'(' => {
                self.align(8)?;
                self.out.push('[');
                self.sequence(&codes[1..codes.len() - 1], deeper(depth)?)?;
                self.out.push(']');
                Ok(())
            }
            code => self.fixed(code),
        }
    }

    /// A text, or what stands for it where it is secret.
    fn write(&mut self, text: &str) {
        let reference = match self.kept {
            true => self.mask(text),
            false => None,
        };
        match reference {
            Some(reference) => self.out.push_str(&reference),
            None => match self.secrets.censor(text) {
                Some(censored) => write_string(&mut self.out, &censored),
                None => write_string(&mut self.out, text),
            },
        }
    }

    /// A reference to a text that is secret. An empty one hides nothing.
    fn mask(&self, text: &str) -> Option<String> {
        let secret = Some(text).filter(|text| !text.is_empty());
        let fingerprint = self.secrets.mask(secret?)?.fingerprint?;
        Some(format!(r#"{{"fingerprint":"{fingerprint}"}}"#))
    }

    /// An array of bytes that is secret.
    fn secret_bytes(&mut self, element: &'a [u8], depth: u8) -> Fallible<()> {
        let written = self.out.len();
        let start = self.at.next_multiple_of(4) + 4;
        self.array(element, depth)?;
        if let Some(reference) = self.mask(&text_of(&self.body[start..self.at])) {
            self.out.truncate(written);
            self.out.push_str(&reference);
        }
        Ok(())
    }

    fn fixed(&mut self, code: u8) -> Fallible<()> {
        match code {
            b'y' => {
                let value = self.take(1)?[0];
                write_integer(&mut self.out, false, value.into());
            }
            b'b' => match self.u32()? {
                0 => self.out.push_str("false"),
                1 => self.out.push_str("true"),
                other => return malformed(format!("a boolean is 0 or 1, not {other}")),
            },
            b'q' => {
                let value = self.number::<2>()?;
                write_integer(&mut self.out, false, value);
            }
            b'n' => {
                let value = self.number::<2>()? as u16 as i16;
                self.signed(value.into());
            }
            b'u' => {
                let value = self.number::<4>()?;
                write_integer(&mut self.out, false, value);
            }
            b'i' => {
                let value = self.number::<4>()? as u32 as i32;
                self.signed(value.into());
            }
            b't' => {
                let value = self.number::<8>()?;
                write_integer(&mut self.out, false, value);
            }
            b'x' => {
                let value = self.number::<8>()? as i64;
                self.signed(value);
            }
            b'd' => {
                let value = f64::from_bits(self.number::<8>()?);
                write_double(&mut self.out, value);
            }
            _ => return malformed("file descriptors do not travel"),
        }
        Ok(())
    }

    fn signed(&mut self, value: i64) {
        write_integer(&mut self.out, value < 0, value.unsigned_abs());
    }

    fn text(&mut self, code: u8) -> Fallible<&'a str> {
        let size = match code {
            b'g' => usize::from(self.take(1)?[0]),
            _ => self.u32()? as usize,
        };
        let bytes = self.take(size)?;
        if self.take(1)? != [0] || bytes.contains(&0) {
            return malformed(format!(
                "a {} must hold no NUL and end with one",
                name(code)
            ));
        }
        match code {
            b'o' if !is_object_path(bytes) => return malformed("this is no object path"),
            b'g' => {
                Signature::parse(bytes)?;
            }
            _ => {}
        }
        std::str::from_utf8(bytes).or_else(|_| malformed("a string that is not UTF-8"))
    }

    fn variant(&mut self, depth: u8) -> Fallible<()> {
        let inner = self.text(b'g')?.as_bytes();
        if inner.is_empty() || length(inner) != inner.len() {
            return malformed("a variant has one complete type");
        }
        self.out.push_str("{\"type\":\"");
        self.out
            .push_str(std::str::from_utf8(inner).expect("a signature is ASCII"));
        self.out.push_str("\",\"data\":");
        self.value(inner, deeper(depth)?)
            .map_err(|error| error.within("data"))?;
        self.out.push('}');
        Ok(())
    }

    fn array(&mut self, element: &'a [u8], depth: u8) -> Fallible<()> {
        let depth = deeper(depth)?;
        let size = self.u32()? as usize;
        if size > LARGEST_ARRAY {
            return too_large("an array is larger than 64 MiB");
        }
        self.align(alignment(element[0]))?;
        let end = self.at + size;
        if end > self.body.len() {
            return malformed("an array runs past the end of the message");
        }
        match element[0] {
            b'{' => self.dictionary(&element[1..element.len() - 1], end, depth)?,
            _ => self.items(element, end, depth)?,
        }
        if self.at != end {
            return malformed("the last item of an array runs past the array's end");
        }
        Ok(())
    }

    fn items(&mut self, element: &'a [u8], end: usize, depth: u8) -> Fallible<()> {
        self.out.push('[');
        let mut index = 0;
        while self.at < end {
            if index > 0 {
                self.out.push(',');
            }
            self.value(element, depth)
                .map_err(|error| error.within(index))?;
            index += 1;
        }
        self.out.push(']');
        Ok(())
    }

    /// Entries of the key and value types `entry`.
    fn dictionary(&mut self, entry: &'a [u8], end: usize, depth: u8) -> Fallible<()> {
        let (key, value) = entry.split_at(1);
        let depth = deeper(depth)?;
        let object = is_text(key[0]);
        let first = self.keys.len();
        self.out.push(if object { '{' } else { '[' });
        while self.at < end {
            let index = self.keys.len() - first;
            if index > 0 {
                self.out.push(',');
            }
            self.align(8)?;
            if !object {
                self.out.push('[');
            }
            let start = self.at;
            self.key(key, depth).map_err(|error| error.within(index))?;
            let bytes = &self.body[start..self.at];
            self.keys.push(bytes);
            self.out.push(if object { ':' } else { ',' });
            // A dictionary without keys of text has no places.
            let place = text_key(key[0], bytes).unwrap_or_default();
            self.within(place, |decoder| decoder.value(value, depth))
                .map_err(|error| error.within(key_of(key[0], bytes, index)))?;
            if !object {
                self.out.push(']');
            }
        }
        self.out.push(if object { '}' } else { ']' });
        let keys = &self.keys[first..];
        if let Some(index) = repeated_key(keys.len(), |at| keys[at]) {
            let key = key_of(key[0], keys[index], index);
            return malformed(format!("a dictionary has the key {key} twice"));
        }
        self.keys.truncate(first);
        Ok(())
    }

    /// A key names a place and is no secret itself.
    fn key(&mut self, code: &'a [u8], depth: u8) -> Fallible<()> {
        let kept = std::mem::take(&mut self.kept);
        let written = self.value(code, depth);
        self.kept = kept;
        written
    }

    fn align(&mut self, to: usize) -> Fallible<()> {
        let padding = self.at.next_multiple_of(to) - self.at;
        match self.take(padding)?.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => malformed("padding that is not zero"),
        }
    }

    fn take(&mut self, count: usize) -> Fallible<&'a [u8]> {
        match self.body.get(self.at..self.at + count) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => malformed("the message ends inside a value"),
        }
    }

    fn u32(&mut self) -> Fallible<u32> {
        Ok(self.number::<4>()? as u32)
    }

    /// An unsigned number of `N` bytes at its boundary.
    fn number<const N: usize>(&mut self) -> Fallible<u64> {
        self.align(N)?;
        let mut bytes = [0; 8];
        let taken = self.take(N)?;
        Ok(match self.order {
            Order::Little => {
                bytes[..N].copy_from_slice(taken);
                u64::from_le_bytes(bytes)
            }
            Order::Big => {
                bytes[8 - N..].copy_from_slice(taken);
                u64::from_be_bytes(bytes)
            }
        })
    }
}

/// One container more.
pub(super) fn deeper(depth: u8) -> Fallible<u8> {
    match depth < DEEPEST {
        true => Ok(depth + 1),
        false => malformed("containers nest deeper than 64"),
    }
}

/// A key for a person: the text of one that is text, else the number of its entry.
fn key_of(code: u8, bytes: &[u8], index: usize) -> String {
    match text_key(code, bytes) {
        Some(text) => text.to_owned(),
        None => index.to_string(),
    }
}

/// The text of a key that is text, from its bytes on the wire with the padding before them.
fn text_key(code: u8, bytes: &[u8]) -> Option<&str> {
    let text = match code {
        b'g' => bytes.get(1..bytes.len() - 1),
        b's' | b'o' => bytes.get(4..bytes.len() - 1),
        _ => None,
    };
    std::str::from_utf8(text?).ok()
}
