//! A transaction of which nothing is in the journal yet, and for which a backend may keep something already.
//!
//! Plugins note the present state before the journal begins, and may let their backend make a checkpoint of its own for it. Should the process
//! die before that is written down, nobody would ever release it. So the time at which plugins begin to note is kept in a file until the
//! transaction is over: what a backend has kept since then, and no checkpoint speaks of, is such a leftover.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::deadline::now_ms;
use super::process::boot_id;
use super::state_dir::StateDir;

fn file(state: &StateDir) -> PathBuf {
    state.path().join("noting")
}

/// Plugins are about to note. Not synced: where the machine dies, so do the backends.
///
/// # Errors
/// When that cannot be written.
pub fn begin(state: &StateDir) -> io::Result<()> {
    fs::write(file(state), format!("{} {}\n", boot_id()?, now_ms()))
}

/// The transaction is over, or what was left of it is tidied up.
///
/// # Errors
/// When the file cannot be removed.
pub fn end(state: &StateDir) -> io::Result<()> {
    match fs::remove_file(file(state)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Since when plugins had noted, in milliseconds of CLOCK_BOOTTIME, where a process died before the end; nothing of an earlier boot.
///
/// # Errors
/// When that cannot be read.
pub fn left(state: &StateDir) -> io::Result<Option<u64>> {
    let text = match fs::read_to_string(file(state)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let boot = boot_id()?;
    Ok(text
        .trim()
        .split_once(' ')
        .filter(|(of, _)| *of == boot)
        .and_then(|(_, since)| since.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::state_dir::tests::namespace;

    #[test]
    fn a_death_in_between_is_known_by_its_time_and_only_in_this_boot() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), namespace(1)).unwrap();
        assert_eq!(left(&state).unwrap(), None);
        let before = now_ms();
        begin(&state).unwrap();
        let since = left(&state).unwrap().unwrap();
        assert!((before..=now_ms()).contains(&since));
        fs::write(file(&state), format!("another {since}\n")).unwrap();
        assert_eq!(left(&state).unwrap(), None);
        end(&state).unwrap();
        end(&state).unwrap();
        assert_eq!(left(&state).unwrap(), None);
    }
}
