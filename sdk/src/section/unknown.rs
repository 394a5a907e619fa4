//! Attributes that op-dbus has no name for: shown, kept, never set by a state file.

use super::Wire;
use crate::netlink as nl;

keys! {
    /// An attribute that op-dbus has no name for.
    pub struct Unknown {
        /// Where it stands, e.g. `IFLA_LINKINFO/IFLA_INFO_DATA/47`.
        place: String,
        /// Its bytes in hexadecimal.
        value: String,
    }
    optional {}
}

impl Unknown {
    /// Whether it is one of a link's kind, which only a creation can set.
    pub fn is_of_kind(&self) -> bool {
        self.place.contains("/IFLA_INFO_DATA/")
    }
}

impl Wire<nl::UnknownAttribute> for Unknown {
    fn to_wire(&self) -> nl::UnknownAttribute {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
        let pairs = self.value.as_bytes().chunks_exact(2);
        nl::UnknownAttribute {
            place: self.place.clone(),
            value: pairs
                .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
                .collect(),
        }
    }

    fn of_wire(wire: nl::UnknownAttribute) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = wire.value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Self {
            place: wire.place,
            value: digits
                .map(|digit| char::from(DIGITS[usize::from(digit)]))
                .collect(),
        }
    }
}
