//! Checking the audit log from its first record to its head.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::head::Head;
use super::log::{current, head};
use super::record::{NO_RECORD, Record};

/// A log in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub count: u64,
    /// Hash of the last one: to be compared with a copy kept elsewhere.
    pub last: String,
}

/// Why a log is not in order.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The first record that is not what it was.
    #[error("{}:{line}: record {number}: {why}", .file.display())]
    Record {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// The number that the record there should have.
        number: u64,
        /// What is wrong.
        why: String,
    },
    /// Records are missing at the end.
    #[error(
        "{}: the log ends after record {found} (line {line}), the head counts {count}: record {} and what followed was removed",
        .file.display(), found + 1
    )]
    CutOff {
        /// The last file.
        file: PathBuf,
        /// Its last line, 0 if it has none.
        line: usize,
        /// The last record there is.
        found: u64,
        /// How many there were.
        count: u64,
    },
    /// A file cannot be read, or the head is damaged.
    #[error("{}: {cause}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Files of a log, oldest first; the present one is the last.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| {
                name.strip_prefix("audit-")?
                    .strip_suffix(".log")?
                    .parse::<u64>()
                    .ok()
            });
        files.extend(number.map(|number| (number, path)));
    }
    files.sort();
    let mut files: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
    if current(directory).exists() {
        files.push(current(directory));
    }
    Ok(files)
}

/// Checks all records, their order, their links, and the end.
///
/// # Errors
/// The first thing that is not in order.
pub fn verify(directory: &Path) -> Result<Verified, Broken> {
    let failed = |file: &Path| {
        let file = file.to_owned();
        move |cause| Broken::Io { file, cause }
    };
    let head_path = head(directory);
    let head = match File::open(&head_path) {
        Ok(file) => {
            // No writer is in the middle of a record meanwhile.
            flock(&file, FlockOperation::LockShared)
                .map_err(|errno| failed(&head_path)(errno.into()))?;
            Some((Head::read(&file).map_err(failed(&head_path))?, file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&head_path)(error)),
    };
    let files = match files(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(directory)(error)),
    };
    let mut at = Verified {
        count: 0,
        last: NO_RECORD.to_owned(),
    };
    let mut place = (current(directory), 0);
    for file in files {
        let mut reader = BufReader::new(File::open(&file).map_err(failed(&file))?);
        let mut line = Vec::new();
        place = (file.clone(), 0);
        while {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(failed(&file))? > 0
        } {
            place.1 += 1;
            let broken = |why: String| Broken::Record {
                file: file.clone(),
                line: place.1,
                number: at.count + 1,
                why,
            };
            let Some(text) = line.strip_suffix(b"\n") else {
                // A writer that died in the middle; the next one cuts it off.
                let expected = head.as_ref().map(|(head, _)| head);
                if expected.is_some_and(|head| head.next.is_some() && head.count == at.count) {
                    break;
                }
                return Err(broken("its line is not whole".into()));
            };
            let (record, hash) = Record::decode(text).map_err(broken)?;
            if record.number != at.count + 1 {
                return Err(broken(format!(
                    "record {} stands here: {}",
                    record.number,
                    if record.number > at.count + 1 {
                        "records before it were removed"
                    } else {
                        "it was put here"
                    }
                )));
            }
            if record.previous != at.last {
                return Err(broken(
                    "it does not follow the record before: one of the two was replaced".into(),
                ));
            }
            at = Verified {
                count: record.number,
                last: hash,
            };
        }
    }
    let (file, line) = place;
    let Some((head, _lock)) = head else {
        // A log without head was never written, or the head was removed.
        return match at.count {
            0 => Ok(at),
            _ => Err(failed(&head_path)(io::ErrorKind::NotFound.into())),
        };
    };
    let ends_as_announced = head.next.as_ref() == Some(&at.last) && at.count == head.count + 1;
    if ends_as_announced || (at.count == head.count && at.last == head.last) {
        return Ok(at);
    }
    if at.count < head.count {
        return Err(Broken::CutOff {
            file,
            line,
            found: at.count,
            count: head.count,
        });
    }
    let why = format!(
        "the head counts {} records, and not this one: it was put here or replaced",
        head.count
    );
    Err(Broken::Record {
        file,
        line,
        number: at.count,
        why,
    })
}
