//! How many commands of a tenant run at once: each holds one of so many lock files.
//!
//! A lock (flock(2)) goes with the process that holds it, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::transaction::state_dir;

/// One of the places, held until it is dropped and no process that was forked meanwhile has it open.
#[derive(Debug)]
pub struct Slot {
    _file: File,
}

/// Takes a place under a tenant's state directory; none when all `count` are taken.
///
/// # Errors
/// When the directory or a file cannot be made.
pub fn take(state_dir: &Path, count: usize) -> io::Result<Option<Slot>> {
    let directory = state_dir.join("slots");
    state_dir::create(&directory)?;
    for number in 0..count {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(number.to_string()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Slot { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_one_given_back_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let one = take(directory.path(), 2).unwrap();
        let two = take(directory.path(), 2).unwrap();
        assert!(one.is_some() && two.is_some());
        assert!(take(directory.path(), 2).unwrap().is_none());
        drop(one);
        assert!(take(directory.path(), 2).unwrap().is_some());
    }
}
