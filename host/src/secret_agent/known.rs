//! What state files have said of profiles' secrets: their names, never their texts. A rollback brings profiles back without a state file,
//! and NetworkManager asks for their secrets all the same: for those that held when the checkpoint was made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Profile;
use crate::digest::Digest;
use crate::transaction::state_dir::{StateDir, write_durably};

/// The file's content.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    /// What holds now.
    now: Vec<Profile>,
    /// What held at a checkpoint, by the digest of what the plugin noted there. Of one that is not here, what holds now held already.
    then: BTreeMap<String, Vec<Profile>>,
}

fn file(state: &StateDir) -> PathBuf {
    state.path().join("agent.json")
}

fn key(noted: &str) -> String {
    Digest::of(noted.as_bytes()).to_string()
}

/// What is remembered in a network namespace: of now, or of the checkpoint in which the plugin noted this.
///
/// # Errors
/// When that cannot be read.
pub fn recall(state: &StateDir, noted: Option<&str>) -> io::Result<Vec<Profile>> {
    let mut known = read(&file(state))?;
    let then = noted.and_then(|noted| known.then.remove(&key(noted)));
    // What was not described yet then was not there, or by another's hand: what was said of it later does no harm.
    let mut all = then.unwrap_or_default();
    all.extend(known.now);
    Ok(all)
}

fn read(path: &Path) -> io::Result<Known> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Known::default()),
        Err(error) => Err(error),
    }
}

/// Remembers what a state file that holds now says; of a profile that was known already, this instead. `noted` is what the plugin noted in the
/// checkpoints that are there, none of which is younger than what was said before.
///
/// # Errors
/// When that cannot be written.
pub fn remember(
    state: &StateDir,
    said: Vec<Profile>,
    noted: impl IntoIterator<Item = String>,
) -> io::Result<()> {
    let mut known = read(&file(state))?;
    let is_said = |known: &Profile| said.iter().any(|said| said.is_same(known));
    let kept = known.now.iter().filter(|known| !is_said(known)).cloned();
    let now: Vec<Profile> = said.iter().cloned().chain(kept).collect();
    if now == known.now {
        return Ok(());
    }
    let before = std::mem::replace(&mut known.now, now);
    known.then = noted
        .into_iter()
        .map(|noted| {
            let key = key(&noted);
            let then = known.then.remove(&key);
            (key, then.unwrap_or_else(|| before.clone()))
        })
        .collect();
    write_durably(&file(state), &serde_json::to_vec(&known)?)
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
        assert!(recall(&state, None).unwrap().is_empty());
        for (secret, id) in [("one", "a"), ("two", "b"), ("three", "a"), ("three", "a")] {
            remember(&state, say(secret, id), []).unwrap();
        }
        let known = recall(&state, None).unwrap();
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
        remember(&state, profiles(r#"{"connections": [{"id": "a"}]}"#), []).unwrap();
        assert_eq!(recall(&state, None).unwrap(), known);
    }

    #[test]
    fn a_checkpoint_goes_back_to_the_names_that_held_when_it_was_made() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), namespace(1)).unwrap();
        let say = |secret: &str, checkpoints: &[&str]| {
            let said = profiles(&format!(
                r#"{{"connections": [{{"id": "a", "security": {{"psk": {{"secret": "{secret}"}}}}}}]}}"#
            ));
            let noted = checkpoints.iter().map(|it| (*it).to_owned());
            remember(&state, said, noted).unwrap();
        };
        let psk = |noted: Option<&str>| {
            let known = recall(&state, noted).unwrap();
            let mut of_id = known.iter().filter(|known| known.is(Some("a"), None));
            let first = of_id.next()?.secret("802-11-wireless-security", "psk")?;
            Some(first.to_owned())
        };
        say("one", &[]);
        say("two", &["first"]);
        say("three", &["first", "second"]);
        assert_eq!(psk(None).unwrap(), "three");
        assert_eq!(psk(Some("first")).unwrap(), "one");
        assert_eq!(psk(Some("second")).unwrap(), "two");
        assert_eq!(psk(Some("younger")).unwrap(), "three");
        // A checkpoint that is gone is forgotten.
        say("four", &["second"]);
        assert_eq!(psk(Some("first")).unwrap(), "four");
        assert_eq!(psk(Some("second")).unwrap(), "two");
    }
}
