//! Reading the audit log.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::SystemTime;

use super::record::{Kind, Record};
use super::verify::files;

/// What is to be shown. All that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before this time.
    pub since: Option<SystemTime>,
    /// Not after this time.
    pub until: Option<SystemTime>,
    /// Of this plugin instance.
    pub plugin: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this transaction.
    pub transaction: Option<String>,
    /// Of this user: a name, or a number as the kernel or the login session has it.
    pub user: Option<String>,
    /// Denials alone.
    pub denied: bool,
}

impl Filter {
    /// Whether a record is to be shown. One whose time cannot be read is shown, whatever the times asked for.
    pub fn takes(&self, record: &Record) -> bool {
        let time = humantime::parse_rfc3339(&record.time).ok();
        let entry = &record.entry;
        let plugin = entry.plugin.as_ref().map(|plugin| &plugin.plugin);
        self.since
            .is_none_or(|since| time.is_none_or(|time| time >= since))
            && self
                .until
                .is_none_or(|until| time.is_none_or(|time| time <= until))
            && (self.plugin.is_none() || self.plugin.as_ref() == plugin)
            && self.kind.is_none_or(|kind| kind == entry.kind)
            && (self.transaction.is_none() || self.transaction == entry.transaction)
            && self.user.as_ref().is_none_or(|user| entry.who.is(user))
            && (!self.denied || entry.kind == Kind::Denial)
    }
}

/// Hands the records that a filter takes to `each`, oldest first. Lines that are no records are left to [`super::verify()`]: their number is
/// returned.
///
/// # Errors
/// When a file cannot be read, or of `each`.
pub fn show(
    directory: &Path,
    filter: &Filter,
    mut each: impl FnMut(&Record) -> io::Result<()>,
) -> io::Result<usize> {
    let mut unreadable = 0;
    let files = match files(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        files => files?,
    };
    for file in files {
        for line in BufReader::new(File::open(file)?).split(b'\n') {
            match Record::decode(&line?) {
                Ok((record, _)) if filter.takes(&record) => each(&record)?,
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
    }
    Ok(unreadable)
}
