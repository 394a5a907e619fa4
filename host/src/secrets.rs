//! Secrets by reference: plugins see names and fingerprints, backends see the text.
//!
//! A secret is a file in one of the store's directories, named by its reference, readable by its owner alone, or a systemd credential
//! (systemd.exec(5), `LoadCredential=`). What a backend reports is masked on its way in: the plugin gets a fingerprint, and the store
//! remembers the text so that the fingerprint can be turned back on the way out, in this process or, from the escrow, in a later one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::contract::types::{Failure, FailureCode, Secret};

/// No secret that a network needs is longer; a larger file is a mistake.
const LARGEST_SECRET: u64 = 64 * 1024;

/// The shortest passphrase of WPA (IEEE 802.11i, annex H.4): [`SecretStore::censor`] looks for no shorter text.
const SHORTEST_CENSORED: usize = 8;

/// The ending of files in the escrow that say which objects a text was read from, one in each line.
const PLACES: &str = "places";

/// The file of the fingerprints' key, in the escrow.
const KEY: &str = "key";

/// Turns references into secrets and secrets into fingerprints.
pub struct SecretStore {
    directories: Vec<PathBuf>,
    /// Where masked texts are kept for a later process: `rollback` of a checkpoint needs them.
    escrow: Option<PathBuf>,
    key: OnceLock<Key>,
    seen: Mutex<HashMap<String, Seen>>,
    /// What [`Self::censor`] looks for, once it has been asked; the longest first.
    known: Mutex<Option<Vec<String>>>,
}

/// The key of the fingerprints. Read or made when it is first needed: a look at a network without secrets writes nothing.
struct Key {
    bytes: [u8; 32],
    /// Whether it is beside the escrow, for later processes as well.
    lasting: bool,
}

/// A text that was masked.
struct Seen {
    text: String,
    /// The objects that it was read from, as far as this process has seen.
    places: BTreeSet<String>,
    /// Whether it is in the escrow, with its places.
    kept: bool,
}

/// The object that secrets of a link belong to.
pub fn of_link(name: &str) -> String {
    format!("link {name}")
}

/// The object that secrets of an object on the message bus belong to.
pub fn of_object(service: &str, path: &str) -> String {
    format!("object {service} {path}")
}

/// Where the escrow keeps the places of a text, beside it.
pub fn places_beside(text: &Path) -> PathBuf {
    text.with_extension(PLACES)
}

impl SecretStore {
    /// A store that reads secrets from `directories`, the first that has one winning, and keeps what it masks in `escrow`.
    ///
    /// The key of the fingerprints lives beside the escrow, and is made with it by the first that needs it. Without an escrow, or where it
    /// cannot be made, fingerprints hold for this process alone: who may not write there can still look.
    ///
    /// # Errors
    /// When there is a key that cannot be read.
    pub fn open(directories: Vec<PathBuf>, escrow: Option<PathBuf>) -> std::io::Result<Self> {
        let key = OnceLock::new();
        if let Some(bytes) = escrow.as_deref().map(read_key).transpose()?.flatten() {
            key.get_or_init(|| Key {
                bytes,
                lasting: true,
            });
        }
        Ok(Self {
            directories,
            escrow,
            key,
            seen: Mutex::default(),
            known: Mutex::default(),
        })
    }

    fn key(&self) -> &Key {
        self.key.get_or_init(|| {
            let kept = self.escrow.as_deref().map(make_key);
            match kept {
                Some(Ok(bytes)) => Key {
                    bytes,
                    lasting: true,
                },
                _ => Key {
                    bytes: random_key().expect("random(4) gives a key"),
                    lasting: false,
                },
            }
        })
    }

    /// Where masked texts are kept for a later process, each under its fingerprint.
    pub fn escrow(&self) -> Option<&Path> {
        self.escrow.as_deref()
    }

    /// Whether fingerprints mean the same to a later process.
    pub fn is_lasting(&self) -> bool {
        self.key().lasting
    }

    /// The text behind a reference: by name if it has one, else by a fingerprint that this store handed out.
    ///
    /// # Errors
    /// `invalid` for a name that cannot be one, `not-found` when nothing is there, `denied` for a file that others may read.
    pub fn reveal(&self, secret: &Secret) -> Result<String, Failure> {
        let text = match (&secret.name, &secret.fingerprint) {
            (Some(name), _) => self.read(name),
            (None, Some(fingerprint)) => self.recall(fingerprint),
            (None, None) => Err(failure(
                FailureCode::Invalid,
                "a secret needs a name or a fingerprint".into(),
            )),
        }?;
        self.know(&text);
        Ok(text)
    }

    /// The fingerprint of `text`. The text can be revealed by it from now on.
    pub fn mask(&self, text: &str) -> Secret {
        let fingerprint = self.fingerprint(text);
        lock(&self.seen)
            .entry(fingerprint.clone())
            .or_insert_with(|| Seen {
                text: text.to_owned(),
                places: BTreeSet::new(),
                kept: false,
            });
        self.know(text);
        Secret {
            name: None,
            fingerprint: Some(fingerprint),
        }
    }

    /// As [`Self::mask`], of a text that was read from this object.
    pub fn mask_at(&self, text: &str, place: &str) -> Secret {
        let secret = self.mask(text);
        let mut seen = lock(&self.seen);
        let known = secret.fingerprint.as_ref().and_then(|it| seen.get_mut(it));
        if let Some(known) = known
            && !known.places.contains(place)
        {
            known.places.insert(place.to_owned());
            known.kept = false;
        }
        secret
    }

    /// Whether the text behind a fingerprint was read from this object, by this process or by one that kept it.
    pub fn was_at(&self, fingerprint: &str, place: &str) -> bool {
        let seen = lock(&self.seen);
        if seen
            .get(fingerprint)
            .is_some_and(|it| it.places.contains(place))
        {
            return true;
        }
        let is_fingerprint = fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        let escrow = self.escrow.as_ref().filter(|_| is_fingerprint);
        let places = escrow.map(|escrow| places_beside(&escrow.join(fingerprint)));
        let places = places.and_then(|places| fs::read_to_string(places).ok());
        places.is_some_and(|places| places.lines().any(|line| line == place))
    }

    /// Keyed, so that a guess at the text cannot be checked without the host's key.
    pub fn fingerprint(&self, text: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key().bytes).expect("any length is a key");
        mac.update(text.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Writes every text that was masked so far into the escrow, so that a later process can reveal it. Costs nothing when there is nothing
    /// new. Without an escrow it does nothing.
    ///
    /// # Errors
    /// When the escrow cannot be written.
    pub fn keep(&self) -> std::io::Result<()> {
        let Some(escrow) = &self.escrow else {
            return Ok(());
        };
        // Nothing was masked, or nothing that a later process could know by its fingerprint.
        if self.key.get().is_none_or(|key| !key.lasting) {
            return Ok(());
        }
        for (fingerprint, seen) in lock(&self.seen).iter_mut().filter(|(_, seen)| !seen.kept) {
            let path = escrow.join(fingerprint);
            if !path.exists() {
                write_private(&path, seen.text.as_bytes())?;
            }
            keep_places(&places_beside(&path), &seen.places)?;
            seen.kept = true;
        }
        Ok(())
    }

    /// `text` with an ellipsis in place of every secret that stands in it: of those in the store's directories, in the escrow, and of all
    /// that went through this process. `None` where there is none. Short ones are not looked for: they stand in other texts by chance.
    pub fn censor(&self, text: &str) -> Option<String> {
        if text.len() < SHORTEST_CENSORED {
            return None;
        }
        let mut known = lock(&self.known);
        let known = known.get_or_insert_with(|| sorted(self.on_disk()));
        let mut censored = None;
        for secret in known.iter() {
            let present = censored.as_deref().unwrap_or(text);
            if present.contains(secret.as_str()) {
                censored = Some(present.replace(secret.as_str(), "…"));
            }
        }
        censored
    }

    /// Remembers a text for [`Self::censor`].
    fn know(&self, text: &str) {
        let mut known = lock(&self.known);
        let texts = known.get_or_insert_with(|| sorted(self.on_disk()));
        if text.len() >= SHORTEST_CENSORED && !texts.iter().any(|one| one == text) {
            texts.push(text.to_owned());
            texts.sort_by_key(|text| Reverse(text.len()));
        }
    }

    /// Every secret that can be read from the directories and from the escrow.
    fn on_disk(&self) -> Vec<String> {
        let directories = self.directories.iter().chain(&self.escrow);
        let entries = directories.filter_map(|directory| fs::read_dir(directory).ok());
        // The key of the fingerprints is no secret of the operator's; one of that name in another directory is.
        let key = self.escrow.as_ref().map(|escrow| escrow.join(KEY));
        let is_places = |path: &Path| {
            path.parent() == self.escrow() && path.extension().is_some_and(|it| it == PLACES)
        };
        let files = entries.flatten().flatten().filter(|entry| {
            let path = entry.path();
            !is_places(&path) && Some(path) != key && is_sound(&entry.file_name().to_string_lossy())
        });
        files
            .filter_map(|entry| read_private(&entry.path()).ok())
            .collect()
    }

    fn read(&self, name: &str) -> Result<String, Failure> {
        if !is_sound(name) {
            return Err(failure(
                FailureCode::Invalid,
                format!("secret {name:?}: a name has letters, digits, '.', '_' and '-' only"),
            ));
        }
        for directory in &self.directories {
            match read_private(&directory.join(name)) {
                Ok(text) => return Ok(text),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(failure(
                        FailureCode::Denied,
                        format!("secret {name:?} in {}: {error}", directory.display()),
                    ));
                }
            }
        }
        let places: Vec<_> = self
            .directories
            .iter()
            .map(|d| d.display().to_string())
            .collect();
        Err(failure(
            FailureCode::NotFound,
            format!("there is no secret {name:?} in {}", places.join(" or ")),
        ))
    }

    fn recall(&self, fingerprint: &str) -> Result<String, Failure> {
        let unknown = || {
            failure(
                FailureCode::NotFound,
                format!("this host keeps no secret with the fingerprint {fingerprint:?}"),
            )
        };
        if !fingerprint.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        if let Some(seen) = lock(&self.seen).get(fingerprint) {
            return Ok(seen.text.clone());
        }
        let escrow = self.escrow.as_ref().ok_or_else(unknown)?;
        read_private(&escrow.join(fingerprint)).map_err(|_| unknown())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

/// Texts that are long enough to be looked for, the longest first: one may stand in another.
fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.retain(|text| text.len() >= SHORTEST_CENSORED);
    texts.sort_by_key(|text| Reverse(text.len()));
    texts.dedup();
    texts
}

/// Whether a secret can have this name.
fn is_sound(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn failure(code: FailureCode, message: String) -> Failure {
    Failure {
        code,
        message,
        backend: None,
    }
}

fn random_key() -> std::io::Result<[u8; 32]> {
    let mut key = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// The key beside an escrow, where one was made.
fn read_key(escrow: &Path) -> std::io::Result<Option<[u8; 32]>> {
    let path = escrow.join(KEY);
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| {
            std::io::Error::new(
                ErrorKind::InvalidData,
                format!("{} is damaged", path.display()),
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes an escrow and its key.
fn make_key(escrow: &Path) -> std::io::Result<[u8; 32]> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(escrow)?;
    write_private(&escrow.join(KEY), &random_key()?)?;
    // Another process may have been first: what is in the file holds.
    read_key(escrow)?.ok_or_else(|| ErrorKind::NotFound.into())
}

/// Puts a file in place whole, readable by its owner alone; a file that is there already wins.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => fs::File::open(directory)?.sync_all(),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

/// Adds places to those that a file has; what another process adds at the same time stays.
fn keep_places(path: &Path, places: &BTreeSet<String>) -> std::io::Result<()> {
    let there = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let there: BTreeSet<&str> = there.lines().collect();
    let new = places
        .iter()
        .filter(|place| !there.contains(place.as_str()));
    let lines: String = new.map(|place| format!("{place}\n")).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()
}

/// Reads a file that only its owner may read, without the newline that an editor puts at its end.
fn read_private(path: &Path) -> std::io::Result<String> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    let meta = file.metadata()?;
    if meta.mode() & 0o077 != 0 {
        return Err(std::io::Error::new(
            ErrorKind::PermissionDenied,
            "others may read or write it; run chmod 600 on it",
        ));
    }
    let mut text = String::new();
    file.take(LARGEST_SECRET).read_to_string(&mut text)?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn named(name: &str) -> Secret {
        Secret {
            name: Some(name.into()),
            fingerprint: None,
        }
    }

    #[test]
    fn reveals_a_file_that_only_its_owner_may_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("office-psk");
        fs::write(&path, "correct horse\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let store = SecretStore::open(vec![directory.path().into()], None).unwrap();
        assert_eq!(store.reveal(&named("office-psk")).unwrap(), "correct horse");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            store.reveal(&named("office-psk")).unwrap_err().code,
            FailureCode::Denied
        );
    }

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        let store = SecretStore::open(vec!["/etc".into()], None).unwrap();
        for name in ["../shadow", "a/b", "", ".hidden", "nul\0"] {
            assert_eq!(
                store.reveal(&named(name)).unwrap_err().code,
                FailureCode::Invalid,
                "{name:?}"
            );
        }
        assert_eq!(
            store.reveal(&named("absent")).unwrap_err().code,
            FailureCode::NotFound
        );
    }

    #[test]
    fn cuts_out_what_any_process_knows_and_leaves_the_rest() {
        let place = tempfile::tempdir().unwrap();
        let (names, escrow) = (place.path().join("names"), place.path().join("escrow"));
        fs::create_dir(&names).unwrap();
        write_private(&names.join("office"), b"correct horse\n").unwrap();
        write_private(&names.join("pin"), b"0000").unwrap();
        let earlier = SecretStore::open(Vec::new(), Some(escrow.clone())).unwrap();
        earlier.mask("battery staple");
        earlier.keep().unwrap();

        let store = SecretStore::open(vec![names], Some(escrow)).unwrap();
        for (text, censored) in [
            ("correct horse", Some("…")),
            (
                "no \"correct horse\", no battery staples",
                Some("no \"…\", no …s"),
            ),
            ("correct horses", Some("…s")),
            ("the pin is 0000", None),
            ("incorrect", None),
        ] {
            assert_eq!(store.censor(text).as_deref(), censored, "{text}");
        }
        assert_eq!(store.censor("fresh secret"), None);
        store.mask("fresh secret");
        assert_eq!(store.censor("fresh secret").as_deref(), Some("…"));
    }

    #[test]
    fn nothing_is_written_until_a_fingerprint_is_needed() {
        let state = tempfile::tempdir().unwrap();
        let escrow = state.path().join("escrow");
        let store = SecretStore::open(Vec::new(), Some(escrow.clone())).unwrap();
        assert_eq!(store.censor("nobody's secret"), None);
        store.keep().unwrap();
        assert!(!escrow.exists());
        store.mask("private");
        assert!(escrow.join(KEY).exists());
        assert!(store.is_lasting());
        fs::write(escrow.join(KEY), "short").unwrap();
        assert!(SecretStore::open(Vec::new(), Some(escrow)).is_err());
    }

    #[test]
    fn where_no_key_can_be_kept_fingerprints_hold_for_the_process() {
        let state = tempfile::NamedTempFile::new().unwrap();
        let store = SecretStore::open(Vec::new(), Some(state.path().join("escrow")));
        // A file is no directory: that is no missing key.
        assert!(store.is_err());
        let store = SecretStore::open(Vec::new(), None).unwrap();
        let masked = store.mask("private");
        assert!(!store.is_lasting());
        store.keep().unwrap();
        assert_eq!(store.reveal(&masked).unwrap(), "private");
    }

    #[test]
    fn a_later_process_knows_where_a_text_was_read() {
        let state = tempfile::tempdir().unwrap();
        let escrow = Some(state.path().join("escrow"));
        let store = SecretStore::open(Vec::new(), escrow.clone()).unwrap();
        let fingerprint = store.mask("a private key").fingerprint.unwrap();
        store.keep().unwrap();
        for link in ["wg0", "wg1"] {
            assert!(!store.was_at(&fingerprint, &of_link(link)));
            store.mask_at("a private key", &of_link(link));
            store.keep().unwrap();
        }
        let later = SecretStore::open(Vec::new(), escrow).unwrap();
        for (link, was) in [("wg0", true), ("wg1", true), ("wg", false), ("wg2", false)] {
            assert_eq!(later.was_at(&fingerprint, &of_link(link)), was, "{link}");
        }
        assert!(!later.was_at("../escrow/key", &of_link("wg0")));
        // The names of the places are no secrets.
        assert_eq!(later.censor("link wg0 and link wg1"), None);
    }

    #[test]
    fn a_later_process_reveals_what_was_kept() {
        let state = tempfile::tempdir().unwrap();
        let escrow = Some(state.path().join("escrow"));
        let store = SecretStore::open(Vec::new(), escrow.clone()).unwrap();
        let masked = store.mask("private");
        store.keep().unwrap();
        let later = SecretStore::open(Vec::new(), escrow).unwrap();
        assert_eq!(later.reveal(&masked).unwrap(), "private");
        assert_eq!(later.fingerprint("private"), masked.fingerprint.unwrap());
    }
}
