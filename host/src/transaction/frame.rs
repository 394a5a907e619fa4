//! The journal's file format: what of it can be trusted after a crash.
//!
//! ```text
//! 0      magic, length of the header, header (JSON), checksum
//! 4032   mark: number of durable records, end of the last one, checksum
//! 4096   frames: length, its complement, payload, checksum … zeros up to the reserved size
//! ```
//! A checksum is the first half of a SHA-256 over the checksum before it and the frame: a frame from elsewhere, left over, doubled or
//! taken out breaks the chain. The header is written before the file gets its name and never again, so it is never torn.
//!
//! A frame is synced, then the mark is moved past it, and only then does what it announces take effect. Therefore damage before the mark
//! is corruption, which is reported; damage after it is a torn tail, which announced nothing that happened. (The mark itself is not
//! synced on its own: a crash of the machine may leave it one record behind. It is never ahead.)

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::{io, ops::Range};

use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"opdbusj1";
const MARK_AT: u64 = 4032;
const MARK_LENGTH: usize = 32;
/// Where the first frame begins.
pub const FRAMES_AT: u64 = 4096;
const CHECKSUM: usize = 16;
/// Length and complement before a payload, checksum after it.
pub const FRAME_OVERHEAD: usize = 8 + CHECKSUM;
/// A payload above this is a mistake: a million routes with their images take a quarter of it.
pub const LARGEST_PAYLOAD: usize = 1 << 30;

type Checksum = [u8; CHECKSUM];

fn checksum(before: &Checksum, parts: &[&[u8]]) -> Checksum {
    let mut hash = Sha256::new();
    hash.update(before);
    for part in parts {
        hash.update(part);
    }
    hash.finalize()[..CHECKSUM]
        .try_into()
        .expect("a SHA-256 has 32 bytes")
}

/// Where the next frame goes, and what it is chained to.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// Records before it.
    pub count: u64,
    /// Byte offset in the file.
    pub offset: u64,
    chain: Checksum,
}

/// Bytes of the header block, [`FRAMES_AT`] long, with the mark of an empty journal, and the position of the first frame.
///
/// # Errors
/// When the header does not fit.
pub fn encode_header(header: &[u8]) -> io::Result<(Vec<u8>, Position)> {
    let length = u32::try_from(header.len())
        .map_err(io::Error::other)?
        .to_le_bytes();
    let chain = checksum(&[0; CHECKSUM], &[MAGIC, &length, header]);
    let mut block = [MAGIC, &length[..], header, &chain].concat();
    if block.len() as u64 > MARK_AT {
        return Err(io::Error::other("the journal's header is too long"));
    }
    block.resize(MARK_AT as usize, 0);
    let start = Position {
        count: 0,
        offset: FRAMES_AT,
        chain,
    };
    block.extend(encode_mark(&start, &chain));
    block.resize(FRAMES_AT as usize, 0);
    Ok((block, start))
}

fn encode_mark(position: &Position, header: &Checksum) -> [u8; MARK_LENGTH] {
    let mut mark = [0; MARK_LENGTH];
    mark[..8].copy_from_slice(&position.count.to_le_bytes());
    mark[8..16].copy_from_slice(&position.offset.to_le_bytes());
    let check = checksum(header, &[&mark[..16]]);
    mark[16..].copy_from_slice(&check);
    mark
}

/// Bytes of a frame at a position, and the position after it.
///
/// # Errors
/// When the payload is too large.
pub fn encode_frame(at: &Position, payload: &[u8]) -> io::Result<(Vec<u8>, Position)> {
    if payload.is_empty() || payload.len() > LARGEST_PAYLOAD {
        return Err(io::Error::other(format!(
            "a record of {} bytes cannot be journalled",
            payload.len()
        )));
    }
    let length = payload.len() as u32;
    let mut frame = Vec::with_capacity(payload.len() + FRAME_OVERHEAD);
    frame.extend(length.to_le_bytes());
    frame.extend((!length).to_le_bytes());
    frame.extend(payload);
    let chain = checksum(&at.chain, &[&frame]);
    frame.extend(chain);
    let next = Position {
        count: at.count + 1,
        offset: at.offset + frame.len() as u64,
        chain,
    };
    Ok((frame, next))
}

/// Says in the file that everything before `position` is durable. One write within one sector: it happens or it does not.
///
/// # Errors
/// Of the write.
pub fn mark(file: &File, header: &HeaderChecksum, position: &Position) -> io::Result<()> {
    file.write_all_at(&encode_mark(position, &header.0), MARK_AT)
}

/// What marks are bound to: a mark of another journal does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderChecksum(Checksum);

impl HeaderChecksum {
    /// Of a journal that has just been encoded: the position of the first frame carries it.
    pub fn of_start(start: &Position) -> Self {
        Self(start.chain)
    }
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// After a whole record.
    Clean,
    /// In a record that was not written to its end; nothing that it announced took effect. The number of bytes that are there.
    Torn(u64),
}

/// A journal's content, as far as it can be trusted.
#[derive(Debug)]
pub struct Contents {
    /// The header's bytes.
    pub header: Vec<u8>,
    /// For marks.
    pub header_checksum: HeaderChecksum,
    /// Where the payloads lie in the bytes that were decoded.
    pub payloads: Vec<Range<usize>>,
    /// Where the next record goes.
    pub end: Position,
    /// How it ends.
    pub tail: Tail,
}

/// Damage that no crash of a process explains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not a journal, or one of another version.
    #[error("it does not begin with a journal's header of this version")]
    Header,
    /// The mark is unreadable.
    #[error("its mark of how many records are durable is damaged")]
    Mark,
    /// A record that was durable once.
    #[error(
        "record {number} at byte {offset} is damaged although it was durable, as were {durable} records in all"
    )]
    Record {
        /// From 1.
        number: u64,
        /// Where it begins.
        offset: u64,
        /// How many the mark counts.
        durable: u64,
    },
}

/// Takes a journal's bytes apart.
///
/// # Errors
/// Where something is damaged that was durable.
pub fn decode(bytes: &[u8]) -> Result<Contents, Damage> {
    let length = bytes
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|length| u32::from_le_bytes(*length) as usize)
        .ok_or(Damage::Header)?;
    let header = bytes.get(12..12 + length).ok_or(Damage::Header)?;
    let found = bytes
        .get(12 + length..12 + length + CHECKSUM)
        .ok_or(Damage::Header)?;
    let chain = checksum(&[0; CHECKSUM], &[MAGIC, &bytes[8..12], header]);
    if found != chain || bytes.len() < FRAMES_AT as usize {
        return Err(Damage::Header);
    }
    // What pads the header block is nobody's: a changed byte there changes nothing, and is still a sign of damage.
    let padding = &bytes[12 + length + CHECKSUM..MARK_AT as usize];
    let after_mark = &bytes[MARK_AT as usize + MARK_LENGTH..FRAMES_AT as usize];
    if padding.iter().chain(after_mark).any(|byte| *byte != 0) {
        return Err(Damage::Header);
    }
    let start = Position {
        count: 0,
        offset: FRAMES_AT,
        chain,
    };
    let mark = &bytes[MARK_AT as usize..MARK_AT as usize + MARK_LENGTH];
    if checksum(&chain, &[&mark[..16]]) != mark[16..] {
        return Err(Damage::Mark);
    }
    let durable = u64::from_le_bytes(mark[..8].try_into().expect("8 bytes"));
    let durable_end = u64::from_le_bytes(mark[8..16].try_into().expect("8 bytes"));

    let mut at = start;
    let mut payloads = Vec::new();
    while let Some((payload, next)) = decode_frame(bytes, &at) {
        payloads.push(payload);
        at = next;
    }
    if at.count < durable || (at.count == durable && at.offset != durable_end) {
        return Err(Damage::Record {
            number: at.count + 1,
            offset: at.offset,
            durable,
        });
    }
    let rest = &bytes[at.offset as usize..];
    let torn = rest
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1);
    Ok(Contents {
        header: header.to_vec(),
        header_checksum: HeaderChecksum(chain),
        payloads,
        end: at,
        tail: if torn == 0 {
            Tail::Clean
        } else {
            Tail::Torn(torn)
        },
    })
}

fn decode_frame(bytes: &[u8], at: &Position) -> Option<(Range<usize>, Position)> {
    let start = at.offset as usize;
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("4 bytes")))
    };
    let length = word(start)?;
    if word(start + 4)? != !length || length == 0 || length as usize > LARGEST_PAYLOAD {
        return None;
    }
    let end = start + 8 + length as usize;
    let chain = checksum(&at.chain, &[bytes.get(start..end)?]);
    if bytes.get(end..end + CHECKSUM)? != chain {
        return None;
    }
    let next = Position {
        count: at.count + 1,
        offset: (end + CHECKSUM) as u64,
        chain,
    };
    Some((start + 8..end, next))
}
