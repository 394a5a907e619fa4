//! The write-ahead journal of a namespace's transaction: nothing takes effect before its undo is in here.
//!
//! The caller holds the namespace's [`Lock`](super::lock::Lock). One file per transaction; it gets its name once header and first record
//! are durable, and loses it when the transaction is over. See [`super::frame`] for the format.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};

use super::frame::{self, Damage, HeaderChecksum, Position, Tail};
use super::process::boot_id;
use super::record::{Begin, Difference, PluginDigest, Record};
use super::state_dir::{Namespace, StateDir, sync_directory};
use crate::timing;

/// Set aside when a journal begins: enough for an ordinary transaction, so that it never waits for the disk's allocator.
const RESERVED_AT_FIRST: u64 = 512 * 1024;
/// Always left beyond the last record, so that what must still be written to end or undo a transaction fits on a full disk.
const RESERVED_BEYOND: u64 = 128 * 1024;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    state: StateDir,
    file: File,
    header: HeaderChecksum,
    end: Position,
    reserved: u64,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The new state holds.
    Committed,
    /// The old state holds, save what is listed.
    Undone {
        /// Each object that is not as it was.
        incomplete: Vec<Difference>,
    },
}

/// What a dead process left behind.
#[derive(Debug)]
pub struct Unfinished {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Whether the last write was cut off; what it announced did not happen.
    pub tail: Tail,
    /// The namespace that it was written for.
    pub namespace: Namespace,
    /// Whether that is the namespace of the state directory, in this very boot. Otherwise the kernel's state that it changed is gone
    /// with its namespace, and only what other backends keep on disk is left to undo.
    pub same_namespace: bool,
    end: Position,
    header: HeaderChecksum,
}

impl Unfinished {
    /// The first record.
    pub fn begin(&self) -> Option<&Begin> {
        match self.records.first() {
            Some(Record::Begin(begin)) => Some(begin),
            _ => None,
        }
    }
}

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed; nothing that the record would have announced may happen.
    #[error("journal {path}: {doing}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        cause: io::Error,
    },
    /// There is one already: what it holds must be finished or undone first.
    #[error(
        "journal {0} holds an unfinished transaction, which must be undone first: run op-dbus doctor"
    )]
    Exists(PathBuf),
    /// It is damaged. Nobody may guess what it said.
    #[error(
        "journal {path} cannot be trusted: {damage}. What the transaction changed is not known for sure; \
         look at the network, then move the file away"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        damage: Damage,
    },
    /// Frames are whole, but a payload is no record.
    #[error("journal {path}: record {number} is no record of this version: {cause}")]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// From 1.
        number: usize,
        /// What the decoder says.
        cause: serde_json::Error,
    },
    /// A later version of this program wrote it. Undoing the part that this one understands could be wrong.
    #[error(
        "journal {path}: record {number} is of a later version of op-dbus, which must undo the transaction: run `op-dbus doctor` of that version"
    )]
    LaterVersion {
        /// The file.
        path: PathBuf,
        /// From 1.
        number: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    namespace: Namespace,
}

impl Journal {
    /// Begins a transaction: a journal with its first record, durable under its name.
    ///
    /// # Errors
    /// [`JournalError::Exists`] when an earlier one is unfinished; when the disk is full or read-only.
    pub fn begin(state: &StateDir, begin: Begin) -> Result<Self, JournalError> {
        let path = state.journal();
        if path.symlink_metadata().is_ok() {
            if Self::unfinished(state)?.is_some() {
                return Err(JournalError::Exists(path));
            }
            fs::rename(&path, state.previous_journal()).map_err(failed(state, "rename"))?;
        }
        let started = Instant::now();
        let created = Self::create(state, begin).map_err(failed(state, "create"));
        timing::took("journal", started);
        created
    }

    fn create(state: &StateDir, begin: Begin) -> io::Result<Self> {
        let header = serde_json::to_vec(&Header {
            namespace: state.namespace().clone(),
        })?;
        let (mut block, start) = frame::encode_header(&header)?;
        let header = HeaderChecksum::of_start(&start);
        let (first, end) =
            frame::encode_frame(&start, &serde_json::to_vec(&Record::Begin(begin))?)?;
        block.extend(first);

        // A dead process may have left one; it never got its name, so it means nothing.
        let unnamed = state.path().join("journal.new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unnamed)?;
        state.bounds().room.take(RESERVED_AT_FIRST)?;
        reserve(&file, 0, RESERVED_AT_FIRST)?;
        failpoint!("journal.create.before-write")?;
        file.write_all_at(&block, 0)?;
        frame::mark(&file, &header, &end)?;
        failpoint!("journal.create.before-sync")?;
        file.sync_all()?;
        failpoint!("journal.create.before-rename")?;
        fs::rename(&unnamed, state.journal())?;
        failpoint!("journal.create.before-directory-sync")?;
        sync_directory(state.path())?;
        failpoint!("journal.create.done")?;
        Ok(Self {
            state: state.clone(),
            file,
            header,
            end,
            reserved: RESERVED_AT_FIRST,
        })
    }

    /// Adds a record. When this returns, it is durable, and what it announces may happen.
    ///
    /// # Errors
    /// When the disk is full or fails. Then nothing that the record announces may happen; the journal stays as it was.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Adds records with a single wait for the disk.
    ///
    /// # Errors
    /// As [`Journal::append`]; then none of them counts.
    pub fn append_all(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let started = Instant::now();
        let written = self.write(records).map_err(failed(&self.state, "append"));
        timing::took("journal", started);
        written
    }

    fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut end = self.end.clone();
        for record in records {
            let (frame, next) = frame::encode_frame(&end, &serde_json::to_vec(record)?)?;
            bytes.extend(frame);
            end = next;
        }
        let needed = end.offset + RESERVED_BEYOND;
        if needed > self.reserved {
            // At least doubled, so that many small records do not extend it many times; less will do on a disk that is nearly full.
            let generous = needed.max(self.reserved * 2);
            self.reserved = match self.extend(generous) {
                Ok(()) => generous,
                Err(_) => {
                    let least = if records.iter().any(Record::is_final) {
                        end.offset
                    } else {
                        needed
                    };
                    if least > self.reserved {
                        self.extend(least)?;
                    }
                    least.max(self.reserved)
                }
            };
        }
        let written = self.write_durably(&bytes, &end);
        if written.is_err() {
            // It must not be found as a whole record later, above all not as the outcome. If this fails too, the disk is gone.
            let _ = self
                .file
                .write_all_at(&vec![0; bytes.len()], self.end.offset);
            return written;
        }
        self.end = end;
        Ok(())
    }

    /// Sets blocks aside up to `to`.
    fn extend(&self, to: u64) -> io::Result<()> {
        let room = &self.state.bounds().room;
        let more = to - self.reserved;
        room.take(more)?;
        reserve(&self.file, self.reserved, to).inspect_err(|_| room.give_back(more))
    }

    fn write_durably(&self, bytes: &[u8], end: &Position) -> io::Result<()> {
        failpoint!("journal.append.before-write")?;
        let half = bytes.len() / 2;
        self.file.write_all_at(&bytes[..half], self.end.offset)?;
        failpoint!("journal.append.half-written")?;
        self.file
            .write_all_at(&bytes[half..], self.end.offset + half as u64)?;
        failpoint!("journal.append.before-sync")?;
        self.file.sync_data()?;
        failpoint!("journal.append.before-mark")?;
        frame::mark(&self.file, &self.header, end)?;
        failpoint!("journal.append.done")
    }

    /// Ends the transaction: makes the outcome durable, lets `audit` write it down, and gives the journal's name up for `journal.previous`.
    /// In this order, so that a journal of which a death left the name also says whose end may be missing from the audit log: see
    /// [`Journal::decided`].
    ///
    /// # Errors
    /// When the outcome did not reach the disk: then the next recovery undoes the transaction. Once it has, it holds; that the file keeps its
    /// name then is harmless, since its last record says that all is over.
    pub fn finish(mut self, outcome: Outcome, audit: impl FnOnce()) -> Result<(), JournalError> {
        failpoint!("journal.finish.before-record").map_err(failed(&self.state, "finish"))?;
        self.append(&match outcome {
            Outcome::Committed => Record::Committed,
            Outcome::Undone { incomplete } => Record::Undone { incomplete },
        })?;
        audit();
        let started = Instant::now();
        if let Err(error) = self.retire().map_err(failed(&self.state, "put away")) {
            tracing::warn!("{error}; the outcome holds");
        }
        timing::took("journal", started);
        Ok(())
    }

    fn retire(&self) -> io::Result<()> {
        failpoint!("journal.finish.before-rename")?;
        // Gives back what was reserved. Losing this or the rename in a crash is harmless: the last record says that all is over.
        self.file.set_len(self.end.offset)?;
        fs::rename(self.state.journal(), self.state.previous_journal())?;
        failpoint!("journal.finish.before-directory-sync")?;
        sync_directory(self.state.path())?;
        failpoint!("journal.finish.done")
    }

    /// What a dead process left, nothing if all is in order. A journal whose transaction was over is put away on the way.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged: see [`JournalError::Damaged`].
    pub fn unfinished(state: &StateDir) -> Result<Option<Unfinished>, JournalError> {
        let path = state.journal();
        let Some(Contents {
            header,
            records,
            decoded,
        }) = Contents::read(&path)?
        else {
            return Ok(None);
        };
        if records.last().is_some_and(Record::is_final) {
            fs::rename(&path, state.previous_journal())
                .and_then(|()| sync_directory(state.path()))
                .map_err(failed(state, "put away"))?;
            return Ok(None);
        }
        if let Some(number) = records.iter().position(|it| matches!(it, Record::Unknown)) {
            let number = number + 1;
            return Err(JournalError::LaterVersion { path, number });
        }
        let boot_id = boot_id().map_err(failed(state, "read the boot id for"))?;
        Ok(Some(Unfinished {
            records,
            tail: decoded.tail,
            same_namespace: header.namespace.is(state.namespace())
                && header.namespace.boot_id == boot_id,
            namespace: header.namespace,
            end: decoded.end,
            header: decoded.header_checksum,
        }))
    }

    /// Which transaction was the last that came to its end, and to which; nothing where its journal is not there or cannot be read.
    pub fn last_outcome(state: &StateDir) -> Option<(String, Outcome)> {
        let contents = Contents::read(&state.previous_journal()).ok()??;
        contents
            .outcome()
            .map(|(begin, outcome)| (begin.transaction, outcome))
    }

    /// A transaction that came to its end in a process that died before it had put the journal away, or said so in the audit log.
    ///
    /// # Errors
    /// As [`Journal::unfinished`].
    pub fn decided(state: &StateDir) -> Result<Option<(Begin, Outcome)>, JournalError> {
        Ok(Contents::read(&state.journal())?.and_then(Contents::outcome))
    }

    /// The plugins of the transaction that is not over in the namespace of this directory (see [`StateDir::all`]); none if all is in order.
    /// Changes nothing, and needs no lock.
    ///
    /// # Errors
    /// As [`Journal::unfinished`].
    pub fn pending(directory: &Path) -> Result<Vec<PluginDigest>, JournalError> {
        let path = directory.join("journal");
        let mut records = match Contents::read(&path)? {
            Some(contents) => contents.records.into_iter(),
            None => return Ok(Vec::new()),
        };
        Ok(match records.next() {
            Some(Record::Begin(begin)) if !records.any(|record| record.is_final()) => begin.plugins,
            _ => Vec::new(),
        })
    }

    /// Goes on writing what a dead process left; its torn tail is wiped first.
    ///
    /// # Errors
    /// When the file cannot be opened or written.
    pub fn resume(state: &StateDir, unfinished: &Unfinished) -> Result<Self, JournalError> {
        let resume = || -> io::Result<Self> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(state.journal())?;
            let end = unfinished.end.clone();
            if let Tail::Torn(length) = unfinished.tail {
                file.write_all_at(
                    &vec![0; usize::try_from(length).map_err(io::Error::other)?],
                    end.offset,
                )?;
            }
            let reserved = file.metadata()?.len();
            // The dead process may have synced its last record without marking it.
            file.sync_data()?;
            frame::mark(&file, &unfinished.header, &end)?;
            Ok(Self {
                state: state.clone(),
                file,
                header: unfinished.header.clone(),
                end,
                reserved,
            })
        };
        resume().map_err(failed(state, "resume"))
    }
}

/// What a journal holds.
struct Contents {
    header: Header,
    records: Vec<Record>,
    decoded: frame::Contents,
}

impl Contents {
    /// Whose transaction it was and how it ended, if it has.
    fn outcome(self) -> Option<(Begin, Outcome)> {
        let mut records = self.records.into_iter();
        let Some(Record::Begin(begin)) = records.next() else {
            return None;
        };
        match records.next_back()? {
            Record::Committed => Some((begin, Outcome::Committed)),
            Record::Undone { incomplete } => Some((begin, Outcome::Undone { incomplete })),
            _ => None,
        }
    }

    /// Reads a journal, if there is one.
    fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                return Err(JournalError::Io {
                    path: path.to_owned(),
                    doing: "read",
                    cause,
                });
            }
        };
        let decoded = frame::decode(&bytes).map_err(|damage| JournalError::Damaged {
            path: path.to_owned(),
            damage,
        })?;
        let not_a_record = |number: usize| {
            let path = path.to_owned();
            move |cause| JournalError::NotARecord {
                path,
                number,
                cause,
            }
        };
        let header = serde_json::from_slice(&decoded.header).map_err(not_a_record(0))?;
        let records = decoded
            .payloads
            .iter()
            .enumerate()
            .map(|(at, range)| {
                serde_json::from_slice(&bytes[range.clone()]).map_err(not_a_record(at + 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            header,
            records,
            decoded,
        }))
    }
}

/// Makes sure that the file has blocks from `from` to `to`, so that writing there cannot fail for want of space.
fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        // NFS before 4.2, ZFS and others: zeros do the same.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            let zeros = vec![0; 64 * 1024];
            let mut at = from;
            while at < to {
                let length = (to - at).min(zeros.len() as u64);
                file.write_all_at(&zeros[..length as usize], at)?;
                at += length;
            }
            Ok(())
        }
        Err(errno) => Err(errno.into()),
    }
}

fn failed(state: &StateDir, doing: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = state.journal();
    move |cause| JournalError::Io { path, doing, cause }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
