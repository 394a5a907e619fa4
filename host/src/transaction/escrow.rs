//! Which texts in the escrow of secrets are needed no more.
//!
//! A text is needed as long as a checkpoint or the journal of an unfinished transaction speaks of it, in whichever network namespace: both
//! name it by its fingerprint.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::state_dir::StateDir;
use crate::secrets::{SecretStore, places_beside};

/// So long a text is left alone: whoever keeps one names it, in a journal or a checkpoint, well within.
const GRACE: Duration = Duration::from_secs(60 * 60);
/// So often is looked, at most: all checkpoints are read for it.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// Its time tells when that was last done. No secret can have this name.
const LOOKED: &str = ".looked";

/// Removes what nothing speaks of any more from the escrow, at most once a day. The caller holds the lock of its own namespace; others may be
/// at work in theirs.
///
/// # Errors
/// When a checkpoint, a journal or the escrow cannot be read: then nothing is removed.
pub fn prune(state: &StateDir, secrets: &SecretStore) -> io::Result<()> {
    let Some(escrow) = secrets.escrow() else {
        return Ok(());
    };
    // It is made when the first secret is met.
    if !escrow.exists() {
        return Ok(());
    }
    let looked = escrow.join(LOOKED);
    if is_younger(&looked, PERIOD)? {
        return Ok(());
    }
    let mut old = Vec::new();
    for entry in fs::read_dir(escrow)? {
        let path = entry?.path();
        let is_text = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_fingerprint);
        if is_text && !is_younger(&path, GRACE)? {
            old.push(path);
        }
    }
    if !old.is_empty() {
        // A tenant's own directory is its root, beside none of a namespace.
        let mut directories = StateDir::all(state.root())?;
        directories.push(state.path().to_owned());
        let spoken_of = spoken_of(&directories)?;
        for path in old {
            let name = path.file_name().and_then(|name| name.to_str());
            if !name.is_some_and(|name| spoken_of.contains(name)) {
                match fs::remove_file(places_beside(&path)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => fs::remove_file(path)?,
                }
            }
        }
    }
    fs::write(looked, "")
}

/// Whether a file is there and was written within this time. One from the future is.
fn is_younger(path: &Path, than: Duration) -> io::Result<bool> {
    match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(time) => Ok(time.elapsed().is_ok_and(|age| age < than) || time.elapsed().is_err()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// As [`SecretStore::fingerprint`] makes them: 32 hexadecimal digits.
fn is_fingerprint(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The fingerprints that stand in checkpoints and journals, each in one of these directories.
fn spoken_of(directories: &[PathBuf]) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for namespace in directories {
        let mut files = vec![namespace.join("journal")];
        match fs::read_dir(namespace.join("checkpoints")) {
            Ok(entries) => {
                for entry in entries {
                    files.push(entry?.path());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for file in files {
            match fs::read(file) {
                Ok(bytes) => {
                    let words = bytes.split(|byte| !byte.is_ascii_hexdigit());
                    let words = words.filter_map(|word| std::str::from_utf8(word).ok());
                    found.extend(words.filter(|word| is_fingerprint(word)).map(str::to_owned));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::transaction::state_dir::Bounds;
    use crate::transaction::state_dir::tests::namespace;

    /// Makes a file look as if it had been written so long ago.
    fn aged(path: &Path, by: Duration) {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }

    #[test]
    fn what_a_checkpoint_or_a_journal_speaks_of_stays_and_the_rest_goes() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), namespace(1)).unwrap();
        let other = StateDir::open(root.path(), namespace(2)).unwrap();
        keeps_what_is_spoken_of(&root.path().join("secrets"), &state, &other);
    }

    #[test]
    fn so_it_is_with_a_tenant_s() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of_tenant(root.path(), namespace(1), Bounds::default()).unwrap();
        keeps_what_is_spoken_of(&root.path().join("secrets"), &state, &state);
    }

    /// Prunes as `state`, with a checkpoint there and a journal in `other`.
    fn keeps_what_is_spoken_of(escrow: &Path, state: &StateDir, other: &StateDir) {
        let escrow = escrow.to_owned();
        let secrets = SecretStore::open(Vec::new(), Some(escrow.clone())).unwrap();
        let fingerprint = |text: &str| secrets.mask_at(text, "link wg0").fingerprint.unwrap();
        let [checkpoint, journal, fresh, old] = ["a", "b", "c", "d"].map(fingerprint);
        secrets.keep().unwrap();
        for old in [&checkpoint, &journal, &old] {
            aged(&escrow.join(old), 2 * GRACE);
        }
        // JSON within JSON, as a plugin's own words stand in a checkpoint.
        let said = serde_json::json!({"state": format!(r#"{{"psk":"{checkpoint}"}}"#)});
        fs::write(state.checkpoints().join("1-hand.json"), said.to_string()).unwrap();
        fs::write(
            other.journal(),
            format!("\0\x01{{\"fingerprint\":\"{journal}\"}}"),
        )
        .unwrap();

        prune(state, &secrets).unwrap();
        let left = |name: &str| {
            let text = escrow.join(name);
            assert_eq!(places_beside(&text).exists(), text.exists());
            text.exists()
        };
        assert!(left(&checkpoint) && left(&journal) && left(&fresh) && !left(&old));

        // Not before a day has passed is it looked again.
        fs::remove_file(other.journal()).unwrap();
        prune(state, &secrets).unwrap();
        assert!(left(&journal));
        aged(&escrow.join(LOOKED), 2 * PERIOD);
        prune(state, &secrets).unwrap();
        assert!(left(&checkpoint) && !left(&journal));
        // The key is no text of a secret.
        assert!(escrow.join("key").exists());
    }
}
