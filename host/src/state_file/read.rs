//! Reads a file as text, never more of it than the limit.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::error::StateFileError;
use super::source::Source;

/// No larger file is read, in bytes. A million routes fit.
pub const LARGEST_FILE: u64 = 64 << 20;

/// Reads the file at `path`, or the standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Source, StateFileError> {
    if path == Path::new("-") {
        return text("<stdin>".to_owned(), io::stdin().lock());
    }
    let name = path.display().to_string();
    let failed = |cause| StateFileError::Read {
        name: name.clone(),
        cause,
    };
    // Opening a FIFO would otherwise wait until somebody writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(StateFileError::Directory { name });
    }
    if meta.is_file() && meta.len() > LARGEST_FILE {
        return Err(StateFileError::TooLarge { name });
    }
    // A shell's `<(command)` is a FIFO with a writer: wait for what that writes.
    let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| failed(error.into()))?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)
        .map_err(|error| failed(error.into()))?;
    match text(name, file) {
        Err(StateFileError::Empty { name }) if meta.file_type().is_fifo() => {
            Err(StateFileError::Unwritten { name })
        }
        result => result,
    }
}

/// Reads to the end, or to the limit.
pub(crate) fn text(name: String, file: impl Read) -> Result<Source, StateFileError> {
    let mut bytes = Vec::new();
    match file.take(LARGEST_FILE + 1).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(cause) => return Err(StateFileError::Read { name, cause }),
    }
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(StateFileError::TooLarge { name });
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        StateFileError::NotText {
            name: name.clone(),
            line: 1 + bytes[..valid].iter().filter(|byte| **byte == b'\n').count(),
            byte: bytes[valid],
            hint: match bytes.as_slice() {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16; save it as UTF-8",
                [0x1f, 0x8b, ..] => "it looks like gzip; unpack it first",
                _ => "save it as UTF-8",
            },
        }
    })?;
    if text.trim().is_empty() {
        return Err(StateFileError::Empty { name });
    }
    Ok(Source { name, text })
}
