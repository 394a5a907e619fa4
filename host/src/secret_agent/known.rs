//! What state files have said of profiles' secrets: their names, never their texts. A rollback brings profiles back without a state file,
//! and NetworkManager asks for their secrets all the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Profile;
use crate::transaction::state_dir::{StateDir, write_durably};

fn file(state: &StateDir) -> PathBuf {
    state.path().join("agent.json")
}

/// What is remembered in a network namespace.
///
/// # Errors
/// When that cannot be read.
pub fn recall(state: &StateDir) -> io::Result<Vec<Profile>> {
    read(&file(state))
}

fn read(path: &Path) -> io::Result<Vec<Profile>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Remembers what a state file that holds now says; of a profile that was known already, this instead.
///
/// # Errors
/// When that cannot be written.
pub fn remember(state: &StateDir, said: Vec<Profile>) -> io::Result<()> {
    let before = recall(state)?;
    let is_said = |known: &Profile| said.iter().any(|said| said.is_same(known));
    let kept = before.iter().filter(|known| !is_said(known)).cloned();
    let now: Vec<Profile> = said.iter().cloned().chain(kept).collect();
    if now == before {
        return Ok(());
    }
    write_durably(&file(state), &serde_json::to_vec(&now)?)
}

#[cfg(test)]
mod tests {
    use super::super::profiles;
    use super::*;
    use crate::transaction::state_dir::tests::namespace;

    #[test]
    fn the_newest_word_on_a_profile_counts_and_others_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), namespace(1)).unwrap();
        let say = |secret: &str, id: &str| {
            profiles(&format!(
                r#"{{"connections": [{{"id": "{id}", "security": {{"psk": {{"secret": "{secret}"}}}}}}]}}"#
            ))
        };
        assert!(recall(&state).unwrap().is_empty());
        for (secret, id) in [("one", "a"), ("two", "b"), ("three", "a"), ("three", "a")] {
            remember(&state, say(secret, id)).unwrap();
        }
        let known = recall(&state).unwrap();
        let psk = |id: &str| {
            let mut of_id = known.iter().filter(|known| known.is(Some(id), None));
            let found = of_id
                .next()
                .and_then(|known| known.secret("802-11-wireless-security", "psk"));
            assert!(of_id.next().is_none());
            found
        };
        assert_eq!((psk("a"), psk("b")), (Some("three"), Some("two")));
        // A file without secrets has nothing to say.
        remember(&state, profiles(r#"{"connections": [{"id": "a"}]}"#)).unwrap();
        assert_eq!(recall(&state).unwrap(), known);
    }
}
