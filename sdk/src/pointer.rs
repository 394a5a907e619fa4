//! JSON Pointers (RFC 6901), the places of problems and mismatches.

use std::fmt;

/// A place in a section. Grows by one reference token at a time; the empty pointer is the section as a whole.
///
/// ```
/// use op_dbus_plugin::Pointer;
///
/// let interface = Pointer::root().key("interfaces").index(2);
/// assert_eq!(interface.key("a/b").to_string(), "/interfaces/2/a~1b");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// The section itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key of the object here. `~` and `/` are escaped (RFC 6901 section 3).
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let token = key.replace('~', "~0").replace('/', "~1");
        Self(format!("{}/{token}", self.0))
    }

    /// An item of the array here, counted from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn escapes_tildes_before_slashes() {
        assert_eq!(Pointer::root().key("~1/").as_str(), "/~01~1");
    }

    #[test]
    fn an_empty_key_is_a_token_of_its_own() {
        assert_eq!(Pointer::root().key("").key("x").as_str(), "//x");
    }

    #[test]
    fn the_root_is_the_empty_text() {
        assert_eq!(Pointer::root().to_string(), "");
    }
}
