//! How much may be written into a state directory.
//!
//! Counted before it is written, as a disk would: who meets the end of it reads an error and undoes, as on a disk that is full.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::Size;

/// Kept for what must be said at the end of a transaction, whatever filled the rest.
const FOR_ENDS: u64 = 64 << 10;

/// Bytes that may still be written. Clones share what is left.
#[derive(Clone, Debug, Default)]
pub struct Room(Option<Arc<Bounded>>);

#[derive(Debug)]
struct Bounded {
    left: AtomicU64,
    most: u64,
    setting: String,
}

impl Room {
    /// What a directory that may hold `most` bytes has left. `setting` names the quota to whoever meets its end.
    ///
    /// # Errors
    /// When what is there cannot be counted.
    pub fn of(directory: &Path, most: u64, setting: String) -> io::Result<Self> {
        let left = most.saturating_sub(size(directory)?);
        Ok(Self(Some(Arc::new(Bounded {
            left: AtomicU64::new(left),
            most,
            setting,
        }))))
    }

    /// Takes so many bytes of what is left.
    ///
    /// # Errors
    /// When there is not so much; then nothing was taken.
    pub fn take(&self, bytes: u64) -> io::Result<()> {
        self.take_leaving(bytes, FOR_ENDS)
    }

    /// As [`Room::take`], for the last that is said of a transaction: it may take what is kept for that.
    ///
    /// # Errors
    /// As there.
    pub fn take_at_the_end(&self, bytes: u64) -> io::Result<()> {
        self.take_leaving(bytes, 0)
    }

    fn take_leaving(&self, bytes: u64, rest: u64) -> io::Result<()> {
        let Some(room) = &self.0 else { return Ok(()) };
        let taken = room
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left >= bytes.saturating_add(rest)).then(|| left - bytes)
            });
        taken.map(drop).map_err(|_| {
            io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!(
                    "{} = {} is used up: delete checkpoints, move rotated audit logs away, or raise it",
                    room.setting,
                    Size(room.most as usize)
                ),
            )
        })
    }

    /// Gives back what was taken and not written, or was removed.
    pub fn give_back(&self, bytes: u64) {
        if let Some(room) = &self.0 {
            room.left.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// The bytes of all files in a directory and below; 0 where it is missing.
///
/// # Errors
/// When it cannot be read.
pub fn size(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut sum = 0;
    for entry in entries {
        let entry = entry?;
        sum += match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path())?,
            Ok(meta) => meta.len(),
            // Another command has just put it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_counts_and_the_end_keeps_its_own() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("checkpoints")).unwrap();
        fs::write(directory.path().join("checkpoints/1.json"), [0; 100]).unwrap();
        let most = FOR_ENDS + 300;
        let room = Room::of(directory.path(), most, "tenants.a.quota.state".into()).unwrap();
        room.take(200).unwrap();
        let error = room.take(1).unwrap_err();
        assert!(
            error.to_string().contains("tenants.a.quota.state"),
            "{error}"
        );
        room.give_back(10);
        room.clone().take(10).unwrap();
        assert!(room.take(1).is_err(), "clones share it");
        room.take_at_the_end(FOR_ENDS).unwrap();
        assert!(room.take_at_the_end(1).is_err());
    }

    #[test]
    fn without_a_quota_there_is_no_end() {
        Room::default().take(u64::MAX).unwrap();
        assert_eq!(size(Path::new("/nowhere/at/all")).unwrap(), 0);
    }
}
