//! A route netlink socket, netlink(7), without a layer more than counting needs.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Length of `nlmsghdr`.
const HEADER: usize = 16;

/// The kernel fills dumps in pieces of at most 32 KiB.
const RECEIVE: usize = 64 * 1024;

pub struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn open() -> Result<Self> {
        // SAFETY: plain system call; the descriptor is new and nobody else's.
        let fd = unsafe {
            let fd = libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::NETLINK_ROUTE,
            );
            if fd < 0 {
                return Err(Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self {
            fd,
            buffer: vec![0; RECEIVE],
        })
    }

    /// Sends a dump request of all families and counts the answers.
    pub fn dump(&mut self, message: u16, family: i32) -> Result<usize> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        // The longest of the request's headers is ifinfomsg, 16 bytes.
        let mut header = [0; 16];
        header[0] = family as u8;
        let mut request = Request::new(message, flags, &header);
        self.send(request.finish())?;
        let mut count = 0;
        loop {
            let length = self.receive()?;
            for (kind, body) in messages(&self.buffer[..length]) {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(count),
                    libc::NLMSG_ERROR => return Err(error_of(body)),
                    _ => count += 1,
                }
            }
        }
    }

    /// Sends requests that each ask for an acknowledgement, as one message, and reads the answers.
    pub fn execute(&mut self, requests: &[u8], count: usize) -> Result<()> {
        self.send(requests)?;
        let mut answered = 0;
        while answered < count {
            let length = self.receive()?;
            for (kind, body) in messages(&self.buffer[..length]) {
                if i32::from(kind) == libc::NLMSG_ERROR {
                    answered += 1;
                    let error = error_of(body);
                    if error.raw_os_error() != Some(0) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        // SAFETY: the pointer and the length are those of a live slice.
        let sent =
            unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent < 0 {
            Err(Error::last_os_error())
        } else {
            Ok(())
        }
    }

    fn receive(&mut self) -> Result<usize> {
        // SAFETY: the pointer and the length are those of a live buffer.
        let length = unsafe {
            libc::recv(
                self.fd.as_raw_fd(),
                self.buffer.as_mut_ptr().cast(),
                self.buffer.len(),
                0,
            )
        };
        usize::try_from(length).map_err(|_| Error::last_os_error())
    }
}

/// A request under construction.
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// With its fixed header (`ifinfomsg`, `rtmsg`…).
    pub fn new(message: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&message.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
        bytes.extend(fixed);
        Self { bytes }
    }

    /// Adds an attribute, rtnetlink(7), padded to four bytes.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).expect("attributes here are short");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an attribute that holds others, which `fill` adds.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.attribute(kind, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).expect("attributes here are short");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Adds plain bytes: a fixed header inside an attribute.
    pub fn plain(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// The message with its length filled in.
    pub fn finish(&mut self) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).expect("requests here are short");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        &self.bytes
    }
}

/// The messages of one datagram: type and body.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = datagram.get(..4)?;
        let length = u32::from_ne_bytes(length.try_into().ok()?) as usize;
        let message = datagram
            .get(..length)
            .filter(|message| message.len() >= HEADER)?;
        datagram = &datagram[length.next_multiple_of(4).min(datagram.len())..];
        Some((
            u16::from_ne_bytes([message[4], message[5]]),
            &message[HEADER..],
        ))
    })
}

/// The error of an `nlmsgerr`; number 0 is an acknowledgement.
fn error_of(body: &[u8]) -> Error {
    let number = body
        .first_chunk()
        .map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes));
    Error::from_raw_os_error(-number)
}
