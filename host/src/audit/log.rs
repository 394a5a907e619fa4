//! Writing the audit log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::head::Head;
use super::record::{Entry, Kind, Record};
use crate::failpoint;
use crate::tenant::TenantName;
use crate::transaction::room::Room;
use crate::transaction::state_dir::{self, Bounds};

/// A file is rotated before it grows beyond this: some 100,000 records, and a text editor still opens it.
pub const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// The log of a directory. Several processes may write to it; they take turns.
#[derive(Debug)]
pub struct AuditLog {
    directory: PathBuf,
    rotate_at: u64,
    tenant: Option<TenantName>,
    room: Room,
    /// Also the lock; held by one writer at a time.
    head: Mutex<File>,
}

/// The present file of a log.
pub fn current(directory: &Path) -> PathBuf {
    directory.join("audit.log")
}

/// A rotated file of a log.
pub fn rotated(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("audit-{number:06}.log"))
}

/// The head of a log.
pub fn head(directory: &Path) -> PathBuf {
    directory.join("audit.head")
}

impl AuditLog {
    /// Opens the log of a directory, and makes both if they are missing.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Self::rotating_at(directory, ROTATE_AT)
    }

    /// As [`AuditLog::open`], with another size at which files are rotated.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn rotating_at(directory: &Path, rotate_at: u64) -> io::Result<Self> {
        state_dir::create(directory)?;
        let head = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(head(directory))?;
        Ok(Self {
            directory: directory.to_owned(),
            rotate_at,
            tenant: None,
            room: Room::default(),
            head: Mutex::new(head),
        })
    }

    /// The same log, whose records carry the tenant and which grows no further than its state may.
    pub fn bounded(self, bounds: &Bounds) -> Self {
        Self {
            tenant: bounds.tenant.clone(),
            room: bounds.room.clone(),
            ..self
        }
    }

    /// Adds a record. Returns its number.
    ///
    /// # Errors
    /// When the disk is full or fails, or the head is damaged. Then nothing was added.
    pub fn append(&self, entry: &Entry) -> io::Result<u64> {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        flock(&*head, FlockOperation::LockExclusive)?;
        let outcome = self.append_locked(&head, entry);
        flock(&*head, FlockOperation::Unlock)?;
        outcome
    }

    /// Waits until all records are on disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        match File::open(current(&self.directory)) {
            Ok(file) => file.sync_data()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sync_data()
    }

    fn append_locked(&self, head_file: &File, entry: &Entry) -> io::Result<u64> {
        let mut head = Head::read(head_file)?;
        let mut file = self.settle(&mut head)?;
        let mut record = Record {
            number: head.count + 1,
            previous: head.last.clone(),
            time: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            entry: entry.clone(),
        };
        record.entry.who.tenant = self.tenant.as_ref().map(ToString::to_string);
        let (mut line, hash) = record.encode()?;
        line.push('\n');
        match entry.kind {
            // A plugin may cause any number of them.
            Kind::Call | Kind::Denial => self.room.take(line.len() as u64)?,
            Kind::Transaction | Kind::Recovery | Kind::Configuration => {
                self.room.take_at_the_end(line.len() as u64)?;
            }
        }
        if head.length > 0 && head.length + line.len() as u64 > self.rotate_at {
            file.sync_data()?;
            failpoint!("audit.rotate.before-rename")?;
            fs::rename(
                current(&self.directory),
                rotated(&self.directory, head.file),
            )?;
            failpoint!("audit.rotate.before-create")?;
            (head.file, head.length) = (head.file + 1, 0);
            file = self.open_current()?;
            failpoint!("audit.rotate.before-head")?;
            head.write(head_file)?;
            failpoint!("audit.rotate.before-directory-sync")?;
            state_dir::sync_directory(&self.directory)?;
        }
        head.next = Some(hash.clone());
        head.write(head_file)?;
        failpoint!("audit.append.before-write")?;
        if let Err(error) = file.write_all(line.as_bytes()) {
            // Half a line must not stay; should this fail too, the next writer cuts it off.
            let _ = file.set_len(head.length);
            head.next = None;
            let _ = head.write(head_file);
            return Err(error);
        }
        failpoint!("audit.append.before-head")?;
        head.count += 1;
        head.last = hash;
        head.length += line.len() as u64;
        head.next = None;
        head.write(head_file)?;
        Ok(head.count)
    }

    fn open_current(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(current(&self.directory))
    }

    /// Opens the present file, and finishes what a writer that died had begun: a rotation, or a record.
    fn settle(&self, head: &mut Head) -> io::Result<File> {
        // Whether or not the new file is there yet: were its number not counted up, the next rotation would replace the old one.
        if head.length > 0 && rotated(&self.directory, head.file).exists() {
            (head.file, head.length) = (head.file + 1, 0);
        }
        let file = self.open_current()?;
        let length = file.metadata()?.len();
        if let Some(next) = head.next.take()
            && length > head.length
        {
            let mut tail =
                vec![0; usize::try_from(length - head.length).map_err(io::Error::other)?];
            file.read_exact_at(&mut tail, head.length)?;
            match tail.strip_suffix(b"\n").map(Record::decode) {
                Some(Ok((record, hash))) if hash == next && record.previous == head.last => {
                    head.count += 1;
                    head.last = hash;
                    head.length = length;
                }
                // Only a beginning of what was announced: it never was a record.
                _ => file.set_len(head.length)?,
            }
        }
        // Anything else that does not fit is not ours to mend: the records go on from the head, and `verify` shows the break.
        head.length = file.metadata()?.len();
        Ok(file)
    }
}

#[cfg(test)]
#[path = "death_tests.rs"]
mod death_tests;
#[cfg(test)]
#[path = "tamper_properties.rs"]
mod tamper_properties;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
