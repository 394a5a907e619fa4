//! D-Bus values and JSON: the form that `busctl --json` prints, converted along the signature, in one pass and without a tree between.
//!
//! | D-Bus | JSON |
//! |---|---|
//! | `y n q i u x t` | a number without fraction or exponent, every digit kept |
//! | `d` | a number, the shortest that reads back as the same double; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `b` | `true`, `false` |
//! | `s o g` | a string; for `s`, a secret by reference |
//! | `a…` | an array (bytes too); for `ay`, a secret by reference |
//! | `(…)` | an array of its fields |
//! | `a{s…} a{o…} a{g…}` | an object |
//! | `a{…}` with other keys | an array of pairs `[key, value]`; `busctl` says nothing of them, it fails with "Invalid argument" |
//! | `v` | `{"type": SIGNATURE, "data": VALUE}`, read in either order |
//! | `h` | refused: file descriptors do not travel |
//!
//! A secret by reference is `{"secret": NAME}`, `{"fingerprint": FINGERPRINT}` or both; on the way in it has a fingerprint alone. [`Secrets`]
//! says where and what.
//!
//! Everything that the D-Bus specification ("Marshaling (Wire Format)") forbids is refused in both directions: text that is not UTF-8 or
//! holds a NUL, padding that is not zero, arrays over 64 MiB, nesting deeper than 64 containers, a key twice in one dictionary.

mod error;
mod escape;
mod from_json;
mod secrets;
mod signature;
mod text;
mod to_json;

pub use error::{Problem, ValueError};
pub use from_json::from_json;
pub use secrets::{NoSecrets, Secrets};
pub use signature::Signature;
pub use to_json::to_json;

/// The byte order of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How deep containers nest in a message, those inside variants included: 32 arrays and 32 structures or dictionary entries
/// (D-Bus specification, "Valid Signatures"; libdbus counts the same way).
const DEEPEST: u8 = 64;

/// The largest array, in bytes (D-Bus specification, "Marshaling").
const LARGEST_ARRAY: usize = 64 << 20;

/// Up to here every pair of keys is compared; above, they are sorted.
const FEW_KEYS: usize = 8;

/// The place of a key that another one before it, or beside it, equals.
fn repeated_key<'a>(count: usize, key: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
    if count <= FEW_KEYS {
        return (1..count).find(|later| (0..*later).any(|earlier| key(earlier) == key(*later)));
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
    order
        .windows(2)
        .find(|pair| key(pair[0]) == key(pair[1]))
        .map(|pair| pair[1])
}

#[cfg(test)]
mod identity;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
