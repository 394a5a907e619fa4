//! Netlink messages on their way out (linux/netlink.h, `struct nlmsghdr`).

use std::net::IpAddr;

/// Bytes of a message's header.
pub const HEADER: usize = 16;

pub const NLM_F_REQUEST: u16 = 1;
pub const NLM_F_ACK: u16 = 4;
pub const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_REPLACE: u16 = 0x100;
pub const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_CREATE: u16 = 0x400;

const NLA_F_NESTED: u16 = 0x8000;

/// A message under construction. Its sequence number is set when it is sent.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request of this type and with these flags, `fixed` being the family's own header (`struct ifinfomsg` and the like).
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        let mut message = Self { bytes };
        message.pad();
        message
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends bytes as they are: a header that is nested in an attribute.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// Appends an attribute.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).expect("values are checked before encoding");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    pub fn u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    pub fn u16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    pub fn u16_be(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    pub fn u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    pub fn u32_be(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Text with its NUL.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.put(kind, &bytes);
    }

    pub fn ip(&mut self, kind: u16, value: IpAddr) {
        match value {
            IpAddr::V4(v4) => self.put(kind, &v4.octets()),
            IpAddr::V6(v6) => self.put(kind, &v6.octets()),
        }
    }

    /// Appends an attribute that holds what `fill` appends.
    pub fn nest<T>(&mut self, kind: u16, fill: impl FnOnce(&mut Self) -> T) -> T {
        let start = self.bytes.len();
        self.put(kind | NLA_F_NESTED, &[]);
        let result = fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        result
    }

    /// Overwrites two bytes at `offset`, a length that is known late.
    pub fn patch_u16(&mut self, offset: usize, value: u16) {
        self.bytes[offset..offset + 2].copy_from_slice(&value.to_ne_bytes());
    }

    /// Bytes so far, the header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn kind(&self) -> u16 {
        u16::from_ne_bytes([self.bytes[4], self.bytes[5]])
    }

    /// What follows the netlink header.
    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }

    /// Appends the finished message to `out`, with its length and number, and an acknowledgement asked for or not.
    pub fn finish(&self, sequence: u32, acknowledge: bool, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let length = u32::try_from(self.bytes.len()).expect("bounded by the pipeline's chunk");
        out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        if acknowledge {
            out[start + 6] |= NLM_F_ACK.to_ne_bytes()[0];
            out[start + 7] |= NLM_F_ACK.to_ne_bytes()[1];
        }
        out[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    }
}
