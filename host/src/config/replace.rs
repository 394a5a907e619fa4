//! Puts a configuration file in the place of the one that is there.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use crate::transaction::state_dir::sync_directory;

/// Puts the new text in the place of the file, whole or not at all; owner and mode stay. A file that is not there is made, with its
/// directory. `before` is what the file held when it was read.
///
/// # Errors
/// When the file holds something else by now, or the system refuses.
pub fn replace(path: &Path, before: &str, text: &str) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    // A bare name has an empty one.
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let old = match fs::read_to_string(&path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if old.as_deref().unwrap_or_default() != before {
        return Err(io::Error::other(
            "it was changed by somebody else meanwhile; run the command again",
        ));
    }
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    let mode = match old {
        Some(_) => {
            let meta = fs::metadata(&path)?;
            fchown(file.as_file(), Some(meta.uid()), Some(meta.gid()))?;
            meta.mode() & 0o7777
        }
        None => 0o644,
    };
    let as_file = file.as_file();
    as_file.set_permissions(fs::Permissions::from_mode(mode))?;
    as_file.sync_all()?;
    file.persist(&path)?;
    sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_link_stay_and_a_file_that_has_changed_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(replace(&link, "old", "newer").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let other = directory.path().join("etc/op-dbus.toml");
        replace(&other, "", "text").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "text");
    }
}
