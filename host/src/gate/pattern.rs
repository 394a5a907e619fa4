//! Patterns over names, as grants use them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern over a whole name: `*` stands for any run of characters, `?` for one; all else, case included, for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that this text says.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.takes(name.as_bytes(), |_| true)
    }

    /// Whether every name that fits `other` fits this one: `other` read as a name, whose `*` nothing but a `*` takes.
    pub fn covers(&self, other: &Self) -> bool {
        self.takes(other.0.as_bytes(), |byte| byte != b'*')
    }

    /// Whether the whole name fits, where a `?` stands for any byte that is `one`.
    fn takes(&self, name: &[u8], one: impl Fn(u8) -> bool) -> bool {
        let pattern = self.0.as_bytes();
        let (mut p, mut n) = (0, 0);
        // Where to go on when the present reading of the last `*` fails: it takes one byte more.
        let mut retry = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p, n));
                    p += 1;
                }
                Some(&byte) if byte == name[n] || (byte == b'?' && one(name[n])) => {
                    p += 1;
                    n += 1;
                }
                _ => match retry {
                    Some((star, from)) => {
                        retry = Some((star, from + 1));
                        p = star + 1;
                        n = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }

    /// The one name that fits, if there is but one.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(&self.0)
    }

    /// Whether every name fits.
    pub fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether one of the patterns fits.
pub fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_whole_names_only() {
        for (pattern, name, fits) in [
            ("ten1-*", "ten1-br0", true),
            ("ten1-*", "ten1-", true),
            ("ten1-*", "xten1-br0", false),
            ("eth?", "eth0", true),
            ("eth?", "eth10", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("ETH0", "eth0", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                fits,
                "{pattern:?} on {name:?}"
            );
        }
    }

    /// The plain definition, exponential but obviously right.
    fn oracle(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                oracle(rest, name) || (!name.is_empty() && oracle(pattern, &name[1..]))
            }
            ([b'?', rest @ ..], [_, tail @ ..]) => oracle(rest, tail),
            ([byte, rest @ ..], [first, tail @ ..]) => byte == first && oracle(rest, tail),
            _ => false,
        }
    }

    #[test]
    fn a_pattern_covers_those_that_say_no_more() {
        for (wide, narrow, covers) in [
            ("*", "eth*", true),
            ("eth*", "*", false),
            ("eth*", "eth?", true),
            ("eth?", "eth*", false),
            ("eth?", "eth0", true),
            ("eth?", "eth?", true),
            ("a*b", "a*xb", true),
            ("a*xb", "a*b", false),
            ("", "*", false),
        ] {
            let (one, other) = (Pattern::new(wide), Pattern::new(narrow));
            assert_eq!(one.covers(&other), covers, "{wide:?} over {narrow:?}");
        }
    }

    proptest! {
        #[test]
        fn what_fits_a_covered_pattern_fits_the_one_that_covers_it(
            wide in "[ab*?]{0,4}", narrow in "[ab*?]{0,4}", name in "[ab*?]{0,5}"
        ) {
            let (wide, narrow) = (Pattern::new(wide), Pattern::new(narrow));
            prop_assert!(!(wide.covers(&narrow) && narrow.matches(&name)) || wide.matches(&name));
        }

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,6}", name in "[ab]{0,8}") {
            prop_assert_eq!(
                Pattern::new(pattern.as_str()).matches(&name),
                oracle(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}
