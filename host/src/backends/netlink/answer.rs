//! What comes back: messages, acknowledgements with the kernel's words, and what can be wrong with them (linux/netlink.h).

use std::io;

use super::attribute::{Fault, attributes};
use super::errno;
use super::message::HEADER;
use crate::contract::types::{Failure, FailureCode};

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

/// How often a dump is repeated when the kernel says that its objects changed meanwhile. A routing daemon that loads a full table changes
/// them for seconds on end.
pub const DUMP_ATTEMPTS: usize = 16;

/// The kernel's refusal of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Positive.
    pub errno: i32,
    /// The text of the extended acknowledgement, unchanged.
    pub text: Option<String>,
    /// The attribute that the kernel points at, in our words.
    pub place: Option<String>,
}

impl Refusal {
    pub fn failure(self, what: &str) -> Failure {
        match self.place {
            Some(place) => errno::failure(self.errno, self.text, &format!("{what} ({place})")),
            None => errno::failure(self.errno, self.text, what),
        }
    }
}

/// Why an exchange did not come to its end.
#[derive(Debug)]
pub enum Trouble {
    /// The kernel refused the dump.
    Refused(Refusal),
    /// A system call failed.
    Io(io::Error),
    /// A message cannot be decoded. Its object must not be left out silently.
    Undecodable { kind: u16, fault: Fault },
    /// The dump was interrupted each time that it was tried.
    Torn,
    /// Answers were lost. Whether the requests took effect is unknown.
    Lost,
}

impl Trouble {
    pub fn failure(self, what: &str) -> Failure {
        let plain = |code, message| Failure {
            code,
            message,
            backend: None,
        };
        match self {
            Self::Refused(refusal) => refusal.failure(what),
            Self::Io(error) => errno::io_failure(&error, what),
            Self::Undecodable { kind, fault } => plain(
                FailureCode::Internal,
                format!("{what}: the kernel's message of type {kind} cannot be decoded: {fault}"),
            ),
            Self::Torn => plain(
                FailureCode::Conflict,
                format!(
                    "{what}: the kernel's objects changed during each of {DUMP_ATTEMPTS} attempts; try again"
                ),
            ),
            Self::Lost => plain(
                FailureCode::Timeout,
                format!(
                    "{what}: the kernel's answers were lost; read again to see what took effect"
                ),
            ),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A message as it came.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The messages of a datagram.
pub struct Messages<'a> {
    pub rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Received<'a>, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let wrong = |problem: String| {
            Some(Err(Trouble::Undecodable {
                kind: 0,
                fault: Fault::new(problem).within("nlmsghdr"),
            }))
        };
        let Some(header) = rest.first_chunk::<HEADER>() else {
            return wrong(format!("{} stray bytes", rest.len()));
        };
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = word(0) as usize;
        if length < HEADER || length > rest.len() {
            return wrong(format!("claims {length} bytes of {}", rest.len()));
        }
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(Received {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: word(8),
            body: &rest[HEADER..length],
        }))
    }
}

/// What an NLMSG_ERROR or NLMSG_DONE says; `request` is what was sent, for the attribute that the answer points at.
pub fn outcome(
    message: Received<'_>,
    request: Option<&[u8]>,
) -> Result<Result<(), Refusal>, Trouble> {
    let undecodable = |fault| Trouble::Undecodable {
        kind: message.kind,
        fault,
    };
    let Some((code, rest)) = message.body.split_first_chunk::<4>() else {
        // An empty NLMSG_DONE is an old way to say that all went well.
        return match message.kind == NLMSG_DONE {
            true => Ok(Ok(())),
            false => Err(undecodable(
                Fault::new("has no error number").within("nlmsgerr"),
            )),
        };
    };
    let errno = i32::from_ne_bytes(*code).unsigned_abs() as i32;
    if errno == 0 {
        return Ok(Ok(()));
    }
    let words = match (message.flags & NLM_F_ACK_TLVS != 0, message.kind) {
        (false, _) => &[][..],
        (true, NLMSG_DONE) => rest,
        (true, _) => {
            // The request's header stands before the attributes, the whole request unless it was capped.
            let skip = match message.flags & NLM_F_CAPPED != 0 {
                true => HEADER,
                false => rest
                    .first_chunk::<4>()
                    .map_or(HEADER, |length| u32::from_ne_bytes(*length) as usize),
            };
            rest.get(skip.next_multiple_of(4)..).unwrap_or(&[])
        }
    };
    let (text, place) =
        extended(words, request).map_err(|fault| undecodable(fault.within("nlmsgerr")))?;
    Ok(Err(Refusal { errno, text, place }))
}

/// The words of an extended acknowledgement (enum nlmsgerr_attrs), and the attribute that they are about.
fn extended(
    words: &[u8],
    request: Option<&[u8]>,
) -> Result<(Option<String>, Option<String>), Fault> {
    let (mut text, mut place) = (None, None);
    for item in attributes(words) {
        let item = item?;
        match item.kind {
            1 => text = Some(item.text()?.to_owned()),
            2 => {
                let offset = item.u32()? as usize;
                let kind = request.and_then(|r| r.get(offset + 2..)?.first_chunk::<2>());
                place = Some(match kind {
                    Some(kind) => format!("attribute {}", u16::from_ne_bytes(*kind) & 0x3fff),
                    None => format!("offset {offset} of the request"),
                });
            }
            5 => place = Some(format!("attribute {} is missing", item.u32()?)),
            _ => {}
        }
    }
    Ok((text, place))
}
