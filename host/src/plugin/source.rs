//! Components in files: read once, and held against their pin before anything else looks at them.
//!
//! What is checked are the bytes in memory that are then compiled. Whatever happens to the file in between changes nothing.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::cache::Cache;
use super::failure::PluginError;
use super::limits::Limits;
use super::loader::Plugin;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::guarded::is_guarded;
use crate::output::escape::escape;
use crate::trust::evidence::Evidence;
use crate::trust::manifest::LARGEST_COMPONENT;
use crate::trust::{Found, Trust, Untrusted};

/// Why the file of a component is not used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error(
        "its file {} is gone; put it back, or add the plugin anew with `op-dbus plugin add`",
        shown(.0)
    )]
    Gone(PathBuf),
    /// The system refused.
    #[error("its file {} cannot be read: {why}", shown(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        why: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("{} is no ordinary file", shown(.0))]
    NotAFile(PathBuf),
    /// Somebody else could write it.
    #[error(
        "others than root and you can write to its file {path}; chown it, and chmod 644 it",
        path = shown(.0)
    )]
    Exposed(PathBuf),
    /// It is too large to be a plugin.
    #[error(
        "its file {} is larger than {} MiB, the most that a plugin may have",
        shown(.0),
        LARGEST_COMPONENT >> 20
    )]
    TooLarge(PathBuf),
    /// It is not what the operator vetted.
    #[error(
        "its file {} is not the one that was pinned: it is {found}, the configuration says {pinned}. If that is meant, look at it with \
         `op-dbus plugin inspect` and pin it with `op-dbus plugin add`; otherwise put the old file back",
        shown(.path)
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What the configuration says.
        pinned: Digest,
        /// What the file is.
        found: Digest,
    },
    /// It lacks signatures.
    #[error("its file {} is not trusted: {why}", shown(.path))]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: Untrusted,
    },
    /// What lies beside it cannot be read.
    #[error("the signatures beside its file {} cannot be read: {why}", shown(.path))]
    Evidence {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        why: io::Error,
    },
}

fn shown(path: &Path) -> String {
    escape(&path.display().to_string()).into_owned()
}

/// Reads a component's file, once.
///
/// # Errors
/// When it cannot be read, others could write it, or it is larger than [`LARGEST_COMPONENT`].
pub fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    read_if(path, is_guarded)
}

/// As [`read`], of a file that anybody may be able to write: for a component that is looked at, and copied before it is used.
///
/// # Errors
/// When it cannot be read, or is larger than [`LARGEST_COMPONENT`].
pub fn read_from_anyone(path: &Path) -> Result<Vec<u8>, SourceError> {
    read_if(path, |_| true)
}

fn read_if(path: &Path, may_be_used: impl Fn(&Metadata) -> bool) -> Result<Vec<u8>, SourceError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SourceError::Gone(path.to_owned()),
        _ => SourceError::Read {
            path: path.to_owned(),
            why: source,
        },
    };
    // Opening a FIFO would otherwise wait until somebody writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(SourceError::NotAFile(path.to_owned()));
    }
    if !may_be_used(&meta) {
        return Err(SourceError::Exposed(path.to_owned()));
    }
    let mut bytes = Vec::with_capacity(meta.len().min(LARGEST_COMPONENT) as usize);
    file.take(LARGEST_COMPONENT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_COMPONENT {
        return Err(SourceError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Reads a component's file, once, and holds it against its pin.
///
/// # Errors
/// As [`read`], and [`SourceError::Changed`].
pub fn read_pinned(path: &Path, pin: Digest) -> Result<Vec<u8>, SourceError> {
    let bytes = read(path)?;
    let found = Digest::of(&bytes);
    if found != pin {
        return Err(SourceError::Changed {
            path: path.to_owned(),
            pinned: pin,
            found,
        });
    }
    Ok(bytes)
}

/// Reads a component's file, once, and holds it against its pin and against the signatures beside it, which are returned.
///
/// # Errors
/// As [`read_pinned`], and [`SourceError::Untrusted`].
pub fn read_vetted(
    path: &Path,
    pin: Digest,
    trust: &Trust,
) -> Result<(Vec<u8>, Vec<Found>), SourceError> {
    let bytes = read_pinned(path, pin)?;
    if !trust.cares() {
        return Ok((bytes, Vec::new()));
    }
    let evidence = Evidence::beside(path).map_err(|why| SourceError::Evidence {
        path: path.to_owned(),
        why,
    })?;
    let found = trust.examine(&bytes, &evidence);
    match trust.judge(found) {
        Ok(found) => Ok((bytes, found)),
        Err(why) => Err(SourceError::Untrusted {
            path: path.to_owned(),
            why,
        }),
    }
}

/// Loads the plugin `name` from a file, which is the one that is pinned.
///
/// # Errors
/// When the file is not what it should be, or the component does not fit the contract.
pub fn load(
    name: &str,
    (path, pin): (&Path, Digest),
    trust: &Trust,
    cache: &Cache,
    grant: Grant,
    limits: Limits,
) -> Result<Plugin, PluginError> {
    let (bytes, _) = read_vetted(path, pin, trust).map_err(|why| PluginError::Source {
        plugin: name.to_owned(),
        why: Box::new(why),
    })?;
    Plugin::compiled(name, &bytes, pin, cache, grant, limits)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_file_with_its_pin_is_read() {
        let file = file(b"component");
        let read = read_pinned(file.path(), Digest::of(b"component")).unwrap();
        assert_eq!(read, b"component");
    }

    #[test]
    fn a_changed_file_is_refused_with_both_digests_and_a_way_out() {
        let file = file(b"component");
        let pin = Digest::of(b"component");
        fs::write(file.path(), b"Component").unwrap();
        let error = read_pinned(file.path(), pin).unwrap_err();
        assert!(matches!(error, SourceError::Changed { .. }));
        let error = error.to_string();
        for part in [
            &pin.to_string(),
            &Digest::of(b"Component").to_string(),
            "plugin add",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_may_write_to_is_refused() {
        let file = file(b"component");
        for mode in [0o602, 0o620] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = read(file.path()).unwrap_err();
            assert!(matches!(error, SourceError::Exposed(_)), "{error}");
        }
    }

    #[test]
    fn what_is_no_ordinary_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for path in [directory.path(), &fifo, Path::new("/dev/zero")] {
            let error = read(path).unwrap_err();
            assert!(matches!(error, SourceError::NotAFile(_)), "{error}");
        }
        let error = read(&directory.path().join("none")).unwrap_err();
        assert!(matches!(error, SourceError::Gone(_)), "{error}");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_whole() {
        let file = file(b"");
        file.as_file().set_len(LARGEST_COMPONENT + 1).unwrap();
        let error = read(file.path()).unwrap_err();
        assert!(matches!(error, SourceError::TooLarge(_)), "{error}");
    }
}
