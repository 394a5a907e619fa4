use std::fs;

use super::super::{Broken, Filter, Kind, show, verify};
use super::*;
use crate::transaction::record::{PluginDigest, Who};

pub(super) fn entry(kind: Kind, plugin: &str, transaction: &str) -> Entry {
    Entry {
        kind,
        who: Who {
            uid: 1000,
            login: Some("anna".into()),
            tenant: None,
        },
        plugin: Some(PluginDigest {
            plugin: plugin.into(),
            digest: "ab".repeat(32),
        }),
        transaction: Some(transaction.into()),
        summary: "put address 10.0.0.1/24 on eth0".into(),
        detail: serde_json::json!({"requests": 1}),
    }
}

/// A log of seven records in several files.
pub(super) fn log() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = AuditLog::rotating_at(directory.path(), 1200).unwrap();
    for number in 1..=7 {
        let kind = if number == 3 {
            Kind::Denial
        } else {
            Kind::Call
        };
        let plugin = if number % 2 == 0 {
            "net"
        } else {
            "networkmanager"
        };
        assert_eq!(
            log.append(&entry(kind, plugin, &format!("t{}", number / 3)))
                .unwrap(),
            number
        );
    }
    log.sync().unwrap();
    assert!(
        rotated(directory.path(), 2).exists(),
        "the log is in several files"
    );
    directory
}

/// Where every line of the log stands.
fn lines(directory: &Path) -> Vec<(PathBuf, usize)> {
    let mut all = Vec::new();
    for file in super::super::verify::files(directory).unwrap() {
        let count = fs::read_to_string(&file).unwrap().lines().count();
        all.extend((0..count).map(|line| (file.clone(), line)));
    }
    all
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    change(&mut lines);
    fs::write(
        file,
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
    .unwrap();
}

#[test]
fn a_log_over_several_files_is_one_chain() {
    let directory = log();
    assert_eq!(verify(directory.path()).unwrap().count, 7);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(verify(empty.path()).unwrap().count, 0);
}

#[test]
fn a_change_of_any_byte_is_found_where_it_is() {
    let directory = log();
    let mut number = 0;
    for (file, line) in lines(directory.path()) {
        number += 1;
        let original = fs::read(&file).unwrap();
        let start: usize = original
            .split_inclusive(|byte| *byte == b'\n')
            .take(line)
            .map(<[u8]>::len)
            .sum();
        let length = original[start..]
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap();
        for at in start..start + length {
            let mut changed = original.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            match verify(directory.path()) {
                Err(Broken::Record {
                    file: found,
                    line: at_line,
                    number: at_number,
                    ..
                }) => {
                    assert_eq!(
                        (found, at_line, at_number),
                        (file.clone(), line + 1, number)
                    );
                }
                other => panic!("byte {at} of {file:?}: {other:?}"),
            }
        }
        fs::write(&file, &original).unwrap();
    }
    assert_eq!(number, 7);
}

#[test]
fn a_change_of_any_byte_of_the_head_is_found() {
    let directory = log();
    let path = super::head(directory.path());
    let original = fs::read(&path).unwrap();
    for at in 0..original.len() {
        let mut changed = original.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        // Number and length of the present file say nothing of the records.
        let text = String::from_utf8_lossy(&changed).into_owned();
        let records_alone = |text: &str| text.split("\"file\"").next().unwrap().to_owned();
        let readable = serde_json::from_str::<Head>(&text).is_ok();
        if records_alone(&text) != records_alone(&String::from_utf8_lossy(&original)) || !readable {
            assert!(verify(directory.path()).is_err(), "byte {at}: {text}");
        }
    }
}

#[test]
fn a_record_taken_out_put_in_or_swapped_is_found() {
    for (file, line) in lines(log().path()) {
        let name = file.file_name().unwrap();
        let tampered = |change: &dyn Fn(&mut Vec<String>)| {
            let directory = log();
            rewrite(&directory.path().join(name), |lines| change(lines));
            verify(directory.path())
        };
        assert!(
            tampered(&|lines| drop(lines.remove(line))).is_err(),
            "removed {name:?}:{line}"
        );
        assert!(
            tampered(&|lines| lines.insert(line, lines[line].clone())).is_err(),
            "doubled"
        );
        assert!(
            tampered(&|lines| lines.insert(line, String::new())).is_err(),
            "an empty line"
        );
        if line > 0 {
            assert!(
                tampered(&|lines| lines.swap(line - 1, line)).is_err(),
                "swapped"
            );
        }
    }
}

#[test]
fn a_record_written_anew_with_a_hash_that_fits_breaks_the_chain() {
    let directory = log();
    for (file, line) in lines(directory.path()) {
        let original = fs::read(&file).unwrap();
        rewrite(&file, |lines| {
            let (mut record, _) = Record::decode(lines[line].as_bytes()).unwrap();
            record.entry.summary = "nothing happened".into();
            lines[line] = record.encode().unwrap().0;
        });
        assert!(verify(directory.path()).is_err(), "{file:?}:{line}");
        fs::write(&file, original).unwrap();
    }
    verify(directory.path()).unwrap();
}

#[test]
fn a_log_cut_off_anywhere_is_found() {
    let directory = log();
    let path = current(directory.path());
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(verify(directory.path()).is_err(), "cut off at {length}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        verify(directory.path()),
        Err(Broken::CutOff { count: 7, .. })
    ));
    fs::write(&path, &whole).unwrap();
    fs::remove_file(rotated(directory.path(), 1)).unwrap();
    let error = verify(directory.path()).unwrap_err().to_string();
    assert!(error.contains("audit-000002.log:1: record 1"), "{error}");
    assert!(error.contains("were removed"), "{error}");
}

#[test]
fn an_appended_record_that_fits_is_found_by_the_head() {
    let directory = log();
    let verified = verify(directory.path()).unwrap();
    let record = Record {
        number: 8,
        previous: verified.last,
        time: "2026-01-01T00:00:00.000000Z".into(),
        entry: entry(Kind::Call, "net", "t9"),
    };
    rewrite(&current(directory.path()), |lines| {
        lines.push(record.encode().unwrap().0)
    });
    assert!(matches!(
        verify(directory.path()),
        Err(Broken::Record { number: 8, .. })
    ));
    fs::remove_file(super::head(directory.path())).unwrap();
    assert!(
        matches!(verify(directory.path()), Err(Broken::Io { .. })),
        "a log without head is none"
    );
}

#[test]
fn a_writer_that_died_at_any_byte_of_its_record_leaves_a_log_in_order() {
    let directory = log();
    let path = current(directory.path());
    let head_path = super::head(directory.path());
    let (before, head_before) = (fs::read(&path).unwrap(), fs::read(&head_path).unwrap());
    let log = AuditLog::rotating_at(directory.path(), 1 << 20).unwrap();
    log.append(&entry(Kind::Call, "net", "t")).unwrap();
    let after = fs::read(&path).unwrap();
    let mut announced: Head = serde_json::from_slice(&head_before).unwrap();
    announced.next = Some(verify(directory.path()).unwrap().last);
    for length in before.len()..=after.len() {
        fs::write(&path, &after[..length]).unwrap();
        announced
            .write(&fs::OpenOptions::new().write(true).open(&head_path).unwrap())
            .unwrap();
        let whole = u64::from(length == after.len());
        assert_eq!(
            verify(directory.path()).unwrap().count,
            7 + whole,
            "died at {length}"
        );
        assert_eq!(
            log.append(&entry(Kind::Call, "net", "t")).unwrap(),
            8 + whole
        );
        assert_eq!(verify(directory.path()).unwrap().count, 8 + whole);
    }
}

#[test]
fn a_rotation_that_a_death_interrupted_is_finished_by_the_next_writer() {
    let directory = log();
    let head: Head =
        serde_json::from_slice(&fs::read(super::head(directory.path())).unwrap()).unwrap();
    fs::rename(
        current(directory.path()),
        rotated(directory.path(), head.file),
    )
    .unwrap();
    assert_eq!(verify(directory.path()).unwrap().count, 7);
    let log = AuditLog::rotating_at(directory.path(), 1200).unwrap();
    assert_eq!(log.append(&entry(Kind::Recovery, "net", "t")).unwrap(), 8);
    assert_eq!(verify(directory.path()).unwrap().count, 8);
    assert!(current(directory.path()).exists());
}

#[test]
fn several_writers_at_once_make_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let log = AuditLog::rotating_at(directory.path(), 4000).unwrap();
                for _ in 0..25 {
                    log.append(&entry(Kind::Call, "net", "t")).unwrap();
                }
            });
        }
    });
    assert_eq!(verify(directory.path()).unwrap().count, 100);
}

#[test]
fn filters_say_what_is_shown() {
    let directory = log();
    let numbers = |filter: Filter| {
        let mut numbers = Vec::new();
        let unreadable = show(directory.path(), &filter, |record| {
            numbers.push(record.number);
            Ok(())
        });
        assert_eq!(unreadable.unwrap(), 0);
        numbers
    };
    assert_eq!(numbers(Filter::default()), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        numbers(Filter {
            plugin: Some("net".into()),
            ..Filter::default()
        }),
        [2, 4, 6]
    );
    assert_eq!(
        numbers(Filter {
            denied: true,
            ..Filter::default()
        }),
        [3]
    );
    assert_eq!(
        numbers(Filter {
            kind: Some(Kind::Transaction),
            ..Filter::default()
        }),
        [0; 0]
    );
    assert_eq!(
        numbers(Filter {
            transaction: Some("t1".into()),
            ..Filter::default()
        }),
        [3, 4, 5]
    );
    for (user, shown) in [("anna", 7), ("1000", 7), ("berta", 0), ("0", 0)] {
        let of_user = Filter {
            user: Some(user.into()),
            ..Filter::default()
        };
        assert_eq!(numbers(of_user).len(), shown, "{user}");
    }
    let far = SystemTime::now() + std::time::Duration::from_secs(3600);
    assert_eq!(
        numbers(Filter {
            since: Some(far),
            ..Filter::default()
        }),
        [0; 0]
    );
    assert_eq!(
        numbers(Filter {
            until: Some(far),
            ..Filter::default()
        })
        .len(),
        7
    );
    assert_eq!(
        numbers(Filter {
            until: Some(SystemTime::UNIX_EPOCH),
            ..Filter::default()
        }),
        [0; 0]
    );
}
