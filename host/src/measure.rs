//! Sizes and durations: as people write them, and of what a program holds.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A number of bytes: `4096`, `"64 KiB"`, `"512 MiB"`, `"1 GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// A duration: `"500ms"`, `"30s"`, `"2m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

/// The units of sizes (IEC 80000-13).
const UNITS: [(&str, usize); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("", 1),
];

impl fmt::Display for Size {
    /// In the largest unit in which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, bytes): &&(&str, usize)| self.0 != 0 && self.0.is_multiple_of(*bytes);
        let (unit, bytes) = UNITS
            .iter()
            .filter(whole)
            .max_by_key(|(_, bytes)| bytes)
            .unwrap_or(&("", 1));
        match *unit {
            "" => write!(f, "{} bytes", self.0),
            unit => write!(f, "{} {unit}", self.0 / bytes),
        }
    }
}

fn size(text: &str) -> Option<usize> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
    number.trim_end().parse::<usize>().ok()?.checked_mul(*unit)
}

/// How many bytes a value takes as JSON, without making them.
pub fn json_length(value: &(impl Serialize + ?Sized)) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        // What is no JSON has no length as such.
        Err(_) => usize::MAX,
    }
}

struct SizeVisitor;

impl de::Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size like \"512 MiB\", \"64 KiB\" or a number of bytes")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Size, E> {
        usize::try_from(number)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Size, E> {
        usize::try_from(number)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        size(text)
            .map(Size)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct PeriodVisitor;

impl de::Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"500ms\", \"30s\" or \"2m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
        humantime::parse_duration(text)
            .map(Period)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_that_of_the_text() {
        let value = serde_json::json!({"a": [1, "\n", null]});
        assert_eq!(json_length(&value), value.to_string().len());
    }

    #[test]
    fn sizes_have_binary_units_and_do_not_overflow() {
        for (text, bytes) in [
            ("4096", Some(4096)),
            ("64KiB", Some(64 << 10)),
            ("512 MiB", Some(512 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("512 MB", None),
            ("MiB", None),
            ("-1", None),
            ("99999999999999999 GiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1025, "1025 bytes"),
            (64 << 10, "64 KiB"),
            (512 << 20, "512 MiB"),
            (2 << 30, "2 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
