//! Where the log ends: what tells a log that was cut off from one that is whole.
//!
//! One block of fixed size, written in place by a single write within a sector. Before a record is written, the head announces it; after,
//! the head counts it. A process that dies in between leaves a log that ends at either, and both are in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::record::NO_RECORD;

/// Its size: a sector of the smallest kind.
const SIZE: usize = 512;

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many records there are.
    pub count: u64,
    /// Hash of the last one.
    pub last: String,
    /// Number of the present file, from 1; the one that it gets when it is rotated.
    pub file: u64,
    /// Bytes of the present file.
    pub length: u64,
    /// Hash of a record that is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            count: 0,
            last: NO_RECORD.to_owned(),
            file: 1,
            length: 0,
            next: None,
        }
    }
}

impl Head {
    /// Reads it; that of an empty log, if nothing was ever written.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut block = [0; SIZE];
        let mut at = 0;
        while at < SIZE {
            match file.read_at(&mut block[at..], at as u64)? {
                0 => break,
                read => at += read,
            }
        }
        if at == 0 {
            return Ok(Self::default());
        }
        let damaged = |why: String| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("audit.head is damaged: {why}"),
            )
        };
        if at != SIZE || file.metadata()?.len() != SIZE as u64 {
            return Err(damaged("it has another size".into()));
        }
        let text = std::str::from_utf8(&block).map_err(|error| damaged(error.to_string()))?;
        let head: Self = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        // What was written is written one way only: a changed space or an added key is damage too.
        if head.block()? == block {
            Ok(head)
        } else {
            Err(damaged("somebody else has written it".into()))
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Of the write.
    pub fn write(&self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.block()?, 0)
    }

    fn block(&self) -> io::Result<[u8; SIZE]> {
        let text = serde_json::to_vec(self)?;
        let mut block = [b' '; SIZE];
        block[SIZE - 1] = b'\n';
        let place = block[..SIZE - 1].get_mut(..text.len());
        place
            .ok_or_else(|| io::Error::other("the head is too long"))?
            .copy_from_slice(&text);
        Ok(block)
    }
}
