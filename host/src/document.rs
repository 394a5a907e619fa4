//! The rules for JSON that crosses between host and plugins (`types.json` of the contract).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value takes one byte of a text and 32 in a tree, so that the length of a text alone bounds no memory: a text may have one value for so
/// many bytes of what it may be long. What plugins write has twice as many bytes for each.
const BYTES_FOR_A_VALUE: usize = 8;

/// Objects with fewer keys than this are searched, larger ones hashed.
const FEW: usize = 12;

/// Whether a text is JSON that keeps the rules: no key twice in an object, no deeper than 128, no number that no double holds, no longer
/// than `longest` bytes, and not so many values that its tree would take more than four times that. Builds no tree.
///
/// # Errors
/// What is wrong, with line and column.
pub fn check(text: &str, longest: usize) -> Result<(), String> {
    if text.len() > longest {
        return Err(format!(
            "a document of {} bytes is larger than the limit of {longest} bytes",
            text.len()
        ));
    }
    let most = longest / BYTES_FOR_A_VALUE;
    let mut left = most;
    // serde_json itself goes no deeper than 128.
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Rules {
        left: &mut left,
        most,
    }
    .deserialize(&mut reader);
    read.and_then(|()| reader.end())
        .map_err(|error| error.to_string())
}

struct Rules<'a> {
    left: &'a mut usize,
    most: usize,
}

impl Rules<'_> {
    fn again(&mut self) -> Rules<'_> {
        Rules {
            left: self.left,
            most: self.most,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Rules<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let most = self.most;
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| de::Error::custom(format_args!("it has more than {most} values")))?;
        deserializer.deserialize_any(self)
    }
}

/// A key, borrowed where the text has no escapes in it.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// The keys of one object.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    /// Whether it is new.
    fn add(&mut self, key: Cow<'de, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

impl<'de> Visitor<'de> for Rules<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = Keys::default();
        while let Some(Key(key)) = entries.next_key()? {
            let twice = || format!("the key {key:?} is there twice");
            if !keys.add(key.clone()) {
                return Err(de::Error::custom(twice()));
            }
            entries.next_value_seed(self.again())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(text: &str) -> String {
        check(text, 1 << 20).unwrap_err()
    }

    #[test]
    fn what_keeps_the_rules_passes() {
        for text in [
            "0",
            " [1, -9223372036854775808, 18446744073709551615, 1.5, true, null, \"x\\u00e9\"] ",
            r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}"#,
        ] {
            assert_eq!(check(text, 1 << 20), Ok(()), "{text}");
        }
    }

    #[test]
    fn bombs_do_not_pass() {
        assert!(wrong(&"[".repeat(1_000_000)).contains("recursion limit"));
        assert!(wrong(r#"[{"a": 1, "\u0061": 2}]"#).contains("\"a\" is there twice"));
        assert!(wrong(&"9".repeat(1_000)).contains("out of range"));
        assert!(wrong("[1] [2]").contains("trailing"));
        assert!(wrong("").contains("EOF"));
        assert!(check("\"abcdefgh\"", 9).unwrap_err().contains("larger"));
        let wide = format!("[{}[]]", "[],".repeat(10_000));
        assert!(check(&wide, wide.len()).unwrap_err().contains("values"));
        assert!(check(&wide, 9 * wide.len()).is_ok());
    }

    proptest! {
        #[test]
        fn a_key_that_is_there_twice_is_found_among_any_number(keys in 1..40_usize, twice in 0..40_usize) {
            let mut entries: Vec<_> = (0..keys).map(|key| format!("\"k{key}\": 0")).collect();
            prop_assert_eq!(check(&format!("{{{}}}", entries.join(",")), 1 << 20), Ok(()));
            entries.push(format!("\"k{}\": 0", twice % keys));
            let twice = format!("{{{}}}", entries.join(","));
            let refused = check(&twice, 1 << 20).is_err();
            prop_assert!(refused);
        }
    }
}
