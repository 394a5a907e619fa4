//! Netlink attributes as they stand in a message (linux/netlink.h, `struct nlattr`).
//!
//! Dumps of thousands of links are decoded straight from the receive buffer, and only the attributes that the contract has a field for:
//! a full decode into owned trees costs several times as much and fails on attributes that nobody asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of an attribute's header: length and type.
const HEADER: usize = 4;
/// Masks away NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const TYPE_MASK: u16 = 0x3fff;

/// Why a message cannot be decoded, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    place: String,
    problem: String,
}

impl Fault {
    /// A fault whose place is still to be said by [`Fault::within`].
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            problem: problem.into(),
        }
    }

    /// The same fault, seen from the attribute or message around it.
    pub fn within(mut self, outer: &str) -> Self {
        self.place = match self.place.is_empty() {
            true => outer.to_owned(),
            false => format!("{outer}/{}", self.place),
        };
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.is_empty() {
            true => f.write_str(&self.problem),
            false => write!(f, "{}: {}", self.place, self.problem),
        }
    }
}

/// One attribute: its number without flags, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    pub kind: u16,
    pub value: &'a [u8],
}

/// The attributes in `bytes`, one after the other.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Iterates over attributes; ends after the first fault.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let Some(header) = rest.first_chunk::<HEADER>() else {
            // Up to three bytes of padding may follow the last attribute.
            return match rest.iter().all(|byte| *byte == 0) {
                true => None,
                false => Some(Err(Fault::new(format!("{} stray bytes", rest.len())))),
            };
        };
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        if length < HEADER || length > rest.len() {
            return Some(Err(Fault::new(format!(
                "attribute {kind} claims {length} bytes of {}",
                rest.len()
            ))));
        }
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(Attribute {
            kind,
            value: &rest[HEADER..length],
        }))
    }
}

impl<'a> Attribute<'a> {
    fn fixed<const N: usize>(&self) -> Result<[u8; N], Fault> {
        // The kernel may append to a value in a later version, never shorten it.
        self.value.first_chunk::<N>().copied().ok_or_else(|| {
            Fault::new(format!(
                "attribute {} has {} bytes instead of {N}",
                self.kind,
                self.value.len()
            ))
        })
    }

    pub fn u8(&self) -> Result<u8, Fault> {
        self.fixed().map(|[byte]| byte)
    }

    pub fn flag(&self) -> Result<bool, Fault> {
        self.u8().map(|value| value != 0)
    }

    pub fn u16(&self) -> Result<u16, Fault> {
        self.fixed().map(u16::from_ne_bytes)
    }

    pub fn u16_be(&self) -> Result<u16, Fault> {
        self.fixed().map(u16::from_be_bytes)
    }

    pub fn u32(&self) -> Result<u32, Fault> {
        self.fixed().map(u32::from_ne_bytes)
    }

    pub fn u32_be(&self) -> Result<u32, Fault> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub fn i32(&self) -> Result<i32, Fault> {
        self.fixed().map(i32::from_ne_bytes)
    }

    /// Text up to its NUL. Interface names may be any bytes; those that are not UTF-8 cannot be named in the contract.
    pub fn text(&self) -> Result<&'a str, Fault> {
        let end = self.value.iter().position(|byte| *byte == 0);
        let bytes = &self.value[..end.unwrap_or(self.value.len())];
        std::str::from_utf8(bytes)
            .map_err(|_| Fault::new(format!("attribute {} is not UTF-8", self.kind)))
    }

    /// An IPv4 or IPv6 address, told apart by its length.
    pub fn ip(&self) -> Result<IpAddr, Fault> {
        match self.value.len() {
            4 => Ok(Ipv4Addr::from(self.fixed::<4>()?).into()),
            16 => Ok(Ipv6Addr::from(self.fixed::<16>()?).into()),
            other => Err(Fault::new(format!(
                "attribute {} is an address of {other} bytes",
                self.kind
            ))),
        }
    }

    /// The attributes nested in this one.
    pub fn nested(&self) -> Attributes<'a> {
        attributes(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn walks_padded_attributes() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0x80, 1, 2, 3, 4];
        let all: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(
            all.iter().map(|a| (a.kind, a.value)).collect::<Vec<_>>(),
            [(1, &[7u8][..]), (2, &[1, 2, 3, 4])]
        );
    }

    #[test]
    fn a_length_out_of_range_is_a_fault_and_ends_the_walk() {
        for bytes in [
            &[9, 0, 1, 0, 7, 0, 0, 0][..],
            &[3, 0, 1, 0],
            &[0, 0, 0, 0],
            &[1],
        ] {
            let mut walk = attributes(bytes);
            assert!(walk.next().unwrap().is_err(), "{bytes:?}");
            assert!(walk.next().is_none());
        }
    }

    #[test]
    fn a_fault_names_the_way_to_its_place() {
        let fault = Fault::new("too short").within("B").within("A");
        assert_eq!(fault.to_string(), "A/B: too short");
    }

    proptest! {
        #[test]
        fn random_bytes_end_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            for item in attributes(&bytes).flatten() {
                let _ = (item.u8(), item.u16_be(), item.u32(), item.text().is_ok(), item.ip());
            }
        }
    }
}
