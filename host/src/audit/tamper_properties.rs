//! Whatever is done to a log's records, in whichever of its files, shows.

use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::verify::{files, verify};
use super::tests::log;
use super::*;

/// What somebody does to a log. Places are anywhere in it, over all files.
#[derive(Clone, Debug)]
enum Deed {
    /// Takes out so many records from here on.
    Remove(Index, usize),
    /// Takes a record from one place to another.
    Move(Index, Index),
    /// Puts a copy of a record somewhere else.
    Copy(Index, Index),
    /// Writes another byte.
    Overwrite(Index, Index, u8),
    /// Cuts off the end of a file, by so many bytes.
    Truncate(Index, Index),
    /// Takes away a file.
    Unlink(Index),
    /// Swaps two files.
    Exchange(Index, Index),
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 1..4_usize).prop_map(|(from, count)| Deed::Remove(from, count)),
        (at(), at()).prop_map(|(from, to)| Deed::Move(from, to)),
        (at(), at()).prop_map(|(from, to)| Deed::Copy(from, to)),
        (at(), at(), any::<u8>()).prop_map(|(line, at, byte)| Deed::Overwrite(line, at, byte)),
        (at(), at()).prop_map(|(file, length)| Deed::Truncate(file, length)),
        at().prop_map(Deed::Unlink),
        (at(), at()).prop_map(|(one, other)| Deed::Exchange(one, other)),
    ]
}

/// Every line with the number of its file.
type Lines = Vec<(usize, Vec<u8>)>;

fn read(directory: &Path) -> (Vec<PathBuf>, Lines) {
    let files = files(directory).unwrap();
    let mut lines = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let text = fs::read(file).unwrap();
        let whole = text.split_inclusive(|byte| *byte == b'\n');
        lines.extend(whole.map(|line| (at, line.to_vec())));
    }
    (files, lines)
}

fn write(files: &[PathBuf], lines: &Lines) {
    for (at, file) in files.iter().enumerate() {
        let own = lines.iter().filter(|(of, _)| *of == at);
        fs::write(
            file,
            own.flat_map(|(_, line)| line.clone()).collect::<Vec<u8>>(),
        )
        .unwrap();
    }
}

fn on_lines(directory: &Path, change: impl FnOnce(&mut Lines)) {
    let (files, mut lines) = read(directory);
    change(&mut lines);
    write(&files, &lines);
}

impl Deed {
    fn is_done(&self, directory: &Path) {
        let files = files(directory).unwrap();
        match self {
            Self::Remove(from, count) => on_lines(directory, |lines| {
                let from = from.index(lines.len());
                lines.drain(from..(from + count).min(lines.len()));
            }),
            Self::Move(from, to) => on_lines(directory, |lines| {
                let (_, line) = lines.remove(from.index(lines.len()));
                let to = to.index(lines.len());
                lines.insert(to, (lines[to].0, line));
            }),
            Self::Copy(from, to) => on_lines(directory, |lines| {
                let line = lines[from.index(lines.len())].1.clone();
                let to = to.index(lines.len());
                lines.insert(to, (lines[to].0, line));
            }),
            Self::Overwrite(line, at, byte) => on_lines(directory, |lines| {
                let line = line.index(lines.len());
                let at = at.index(lines[line].1.len());
                lines[line].1[at] = *byte;
            }),
            Self::Truncate(file, length) => {
                let file = &files[file.index(files.len())];
                let whole = fs::metadata(file).unwrap().len() as usize;
                let file = fs::OpenOptions::new().write(true).open(file).unwrap();
                file.set_len(length.index(whole.max(1)) as u64).unwrap();
            }
            Self::Unlink(file) => fs::remove_file(&files[file.index(files.len())]).unwrap(),
            Self::Exchange(one, other) => {
                let (one, other) = (
                    &files[one.index(files.len())],
                    &files[other.index(files.len())],
                );
                let (first, second) = (fs::read(one).unwrap(), fs::read(other).unwrap());
                fs::write(one, second).unwrap();
                fs::write(other, first).unwrap();
            }
        }
    }
}

/// All records in order: what the log says, however it lies in files.
fn said(directory: &Path) -> Vec<u8> {
    let (_, lines) = read(directory);
    lines.into_iter().flat_map(|(_, line)| line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_removal_reordering_or_truncation_is_found(deeds in prop::collection::vec(deed(), 1..4)) {
        let directory = log();
        let before = said(directory.path());
        for deed in &deeds {
            if files(directory.path()).unwrap().is_empty() || read(directory.path()).1.len() < 2 {
                break;
            }
            deed.is_done(directory.path());
        }
        let same = said(directory.path()) == before;
        prop_assert_eq!(verify(directory.path()).is_ok(), same, "{:?}", deeds);
    }

    #[test]
    fn a_log_that_was_tampered_with_stays_so_when_it_is_written_on(deed in deed()) {
        let directory = log();
        let before = said(directory.path());
        deed.is_done(directory.path());
        prop_assume!(said(directory.path()) != before);
        let log = AuditLog::rotating_at(directory.path(), 1200).unwrap();
        if log.append(&super::tests::entry(crate::audit::Kind::Call, "net", "t")).is_ok() {
            prop_assert!(verify(directory.path()).is_err(), "{:?}", deed);
        }
    }
}
