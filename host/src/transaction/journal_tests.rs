use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::transaction::frame::{FRAMES_AT, Tail};
use crate::transaction::images::Images;
use crate::transaction::process::Process;
use crate::transaction::record::Who;
use crate::transaction::state_dir::tests::namespace;

fn begin() -> Begin {
    Begin {
        transaction: "t1".into(),
        process: Process::current().unwrap(),
        who: Who::default(),
        command: "op-dbus apply host.json".into(),
        plugins: Vec::new(),
        time: "2026-01-01T00:00:00.000000Z".into(),
    }
}

fn requests(text: &str) -> Record {
    Record::Requests {
        plugin: "net".into(),
        summary: vec![text.into()],
    }
}

fn state(root: &Path) -> StateDir {
    StateDir::open(root, namespace(1)).unwrap()
}

#[test]
fn what_a_dead_process_left_is_found_and_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let state = state(root.path());
    assert!(Journal::unfinished(&state).unwrap().is_none());
    let mut journal = Journal::begin(&state, begin()).unwrap();
    let image = Record::Before {
        plugin: Some("net".into()),
        images: Images::default(),
    };
    journal
        .append_all(&[image.clone(), requests("one")])
        .unwrap();
    drop(journal);

    assert!(matches!(
        Journal::begin(&state, begin()),
        Err(JournalError::Exists(_))
    ));
    let left = Journal::unfinished(&state).unwrap().unwrap();
    assert_eq!(
        left.records,
        [Record::Begin(begin()), image, requests("one")]
    );
    assert_eq!(
        (left.tail.clone(), left.same_namespace),
        (Tail::Clean, true)
    );
    let mut journal = Journal::resume(&state, &left).unwrap();
    journal
        .append(&Record::Undoing {
            reason: "the process died".into(),
        })
        .unwrap();
    assert_eq!(
        Journal::unfinished(&state).unwrap().unwrap().records.len(),
        4
    );
    journal
        .finish(
            Outcome::Undone {
                incomplete: Vec::new(),
            },
            || (),
        )
        .unwrap();
    assert!(Journal::unfinished(&state).unwrap().is_none());
    assert!(!state.journal().exists());
    Journal::begin(&state, begin())
        .unwrap()
        .finish(Outcome::Committed, || ())
        .unwrap();
}

#[test]
fn a_journal_of_another_namespace_or_boot_says_so() {
    let root = tempfile::tempdir().unwrap();
    let state = state(root.path());
    drop(Journal::begin(&state, begin()).unwrap());
    let other = |change: fn(&mut Namespace)| {
        let mut namespace = namespace(1);
        change(&mut namespace);
        let other = StateDir::open(root.path(), namespace).unwrap();
        Journal::unfinished(&other).unwrap().unwrap().same_namespace
    };
    assert!(other(|_| {}));
    assert!(!other(|namespace| namespace.boot_id = "another".into()));
}

#[test]
fn an_outcome_that_was_written_before_a_death_is_final() {
    let root = tempfile::tempdir().unwrap();
    let state = state(root.path());
    let mut journal = Journal::begin(&state, begin()).unwrap();
    journal.append(&Record::Committed).unwrap();
    drop(journal);
    assert!(Journal::unfinished(&state).unwrap().is_none());
    assert!(state.previous_journal().exists());
}

/// A journal's bytes after each record, and the records.
fn grown(root: &Path) -> (StateDir, Vec<Vec<u8>>, Vec<Record>) {
    let state = state(root);
    let mut journal = Journal::begin(&state, begin()).unwrap();
    let used = |journal: &Journal| {
        let mut bytes = std::fs::read(state.journal()).unwrap();
        bytes.truncate(journal.end.offset as usize + 64);
        bytes
    };
    let mut stages = vec![used(&journal)];
    let mut records = vec![Record::Begin(begin())];
    for text in ["one", "two", "three"] {
        journal.append(&requests(text)).unwrap();
        stages.push(used(&journal));
        records.push(requests(text));
    }
    (state, stages, records)
}

#[test]
fn a_record_torn_at_any_byte_leaves_those_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (state, stages, records) = grown(root.path());
    for (count, pair) in stages.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        let start = before.len() - 64;
        for written in start..after.len() - 64 {
            // The mark is still the earlier one.
            let mut torn = before.clone();
            torn.resize(after.len(), 0);
            torn[start..written].copy_from_slice(&after[start..written]);
            if torn[..after.len() - 64] == after[..after.len() - 64] {
                // The rest of the record is zeros, as the checksum has it: nothing is torn off.
                continue;
            }
            std::fs::write(state.journal(), &torn).unwrap();
            let left = Journal::unfinished(&state).unwrap().unwrap();
            assert_eq!(left.records, records[..=count], "torn at {written}");
            assert_eq!(left.tail == Tail::Clean, written == start);
            let mut journal = Journal::resume(&state, &left).unwrap();
            journal.append(&requests("later")).unwrap();
            let left = Journal::unfinished(&state).unwrap().unwrap();
            assert_eq!((left.records.len(), left.tail), (count + 2, Tail::Clean));
        }
    }
}

#[test]
fn a_change_of_any_durable_byte_is_reported_and_never_guessed() {
    let root = tempfile::tempdir().unwrap();
    let (state, stages, _) = grown(root.path());
    let whole = stages.last().unwrap();
    for at in 0..whole.len() - 64 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(state.journal(), &damaged).unwrap();
        match Journal::unfinished(&state) {
            Err(JournalError::Damaged { damage, .. }) => {
                let in_frames = at as u64 >= FRAMES_AT;
                assert_eq!(
                    matches!(damage, Damage::Record { .. }),
                    in_frames,
                    "byte {at}"
                );
            }
            other => panic!("byte {at}: {other:?}"),
        }
    }
    for length in 0..whole.len() - 64 {
        std::fs::write(state.journal(), &whole[..length]).unwrap();
        assert!(
            matches!(
                Journal::unfinished(&state),
                Err(JournalError::Damaged { .. })
            ),
            "cut to {length}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_leaves_a_beginning_or_an_error(
        changes in prop::collection::vec((0..9000_usize, any::<u8>()), 1..6),
    ) {
        let root = tempfile::tempdir().unwrap();
        let (state, stages, records) = grown(root.path());
        let mut bytes = stages.last().unwrap().clone();
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        std::fs::write(state.journal(), &bytes).unwrap();
        if let Ok(left) = Journal::unfinished(&state) {
            prop_assert_eq!(left.unwrap().records, records);
        }
    }
}

#[test]
fn records_of_a_later_version_are_kept_apart_from_damage() {
    let text = r#"{"record":"something-new","field":1}"#;
    assert_eq!(
        serde_json::from_str::<Record>(text).unwrap(),
        Record::Unknown
    );
    let text = r#"{"record":"undoing","reason":"r","severity":"new"}"#;
    assert_eq!(
        serde_json::from_str::<Record>(text).unwrap(),
        Record::Undoing { reason: "r".into() }
    );
}

/// Not a test of its own: what the ones below run in another process.
#[test]
#[ignore = "started by the tests below"]
fn in_another_process() {
    let Ok(root) = std::env::var("OP_DBUS_TEST_JOURNAL") else {
        return;
    };
    let state = state(Path::new(&root));
    match std::env::var("OP_DBUS_TEST_DISK").as_deref() {
        Ok("full at once") => {
            std::fs::write(state.path().join("ballast"), vec![1; 900 * 1024]).unwrap();
            let error = Journal::begin(&state, begin()).unwrap_err().to_string();
            assert!(error.contains("No space left"), "{error}");
            assert!(!state.journal().exists());
        }
        Ok("full later") => {
            let mut journal = Journal::begin(&state, begin()).unwrap();
            let mut written = 1;
            let error = loop {
                match journal.append(&requests(&"x".repeat(40 * 1024))) {
                    Ok(()) => written += 1,
                    Err(error) => break error.to_string(),
                }
                assert!(written < 100);
            };
            assert!(error.contains("No space left"), "{error}");
            // What must still be written to undo it all fits.
            for _ in 0..20 {
                journal
                    .append(&Record::Undoing {
                        reason: "the disk is full".into(),
                    })
                    .unwrap();
            }
            let left = Journal::unfinished(&state).unwrap().unwrap();
            assert_eq!(left.records.len(), written + 20);
            journal
                .finish(
                    Outcome::Undone {
                        incomplete: Vec::new(),
                    },
                    || (),
                )
                .unwrap();
        }
        _ => {
            let mut journal = match Journal::unfinished(&state).unwrap() {
                Some(left) => Journal::resume(&state, &left).unwrap(),
                None => Journal::begin(&state, begin()).unwrap(),
            };
            journal.append(&requests("one")).unwrap();
            journal.append(&requests("two")).unwrap();
            journal.finish(Outcome::Committed, || ()).unwrap();
        }
    }
    println!("\nreached the end");
}

#[test]
fn an_error_names_its_cause_once() {
    let root = tempfile::tempdir().unwrap();
    let state = state(root.path());
    std::fs::remove_dir_all(state.path()).unwrap();
    let error = anyhow::Error::from(Journal::begin(&state, begin()).unwrap_err());
    let shown = format!("{error:#}");
    assert_eq!(
        shown.matches("No such file or directory").count(),
        1,
        "{shown}"
    );
}

/// Whether the other process reached its end.
fn elsewhere(mut command: Command, root: &Path, failpoint: &str, disk: &str) -> bool {
    let output = command
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "transaction::journal::tests::in_another_process",
        ])
        .env("OP_DBUS_TEST_JOURNAL", root)
        .env("OP_DBUS_TEST_DISK", disk)
        .envs((!failpoint.is_empty()).then_some(("OP_DBUS_FAILPOINT", failpoint)))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let reached = text.contains("reached the end");
    assert!(
        reached || !text.contains("panicked"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    reached
}

#[test]
fn killed_at_any_step_the_journal_can_be_read_and_the_work_begun_again() {
    let points = crate::transaction::failpoint::NAMES
        .iter()
        .filter(|name| name.starts_with("journal."));
    let mut killed = 0;
    for point in points {
        for turn in 1..=3 {
            let root = tempfile::tempdir().unwrap();
            let state = state(root.path());
            let reached = elsewhere(
                Command::new(std::env::current_exe().unwrap()),
                root.path(),
                &format!("{point}:{turn}"),
                "",
            );
            if reached {
                assert!(turn > 1, "{point} is never passed");
                continue;
            }
            killed += 1;
            let left = Journal::unfinished(&state).unwrap();
            if let Some(left) = &left {
                assert_eq!(left.records[0], Record::Begin(begin_of(left)));
                // A record is there as soon as its write is over, and before it is announced that it is.
                let least = match (*point, turn) {
                    ("journal.append.done", turn) => turn + 1,
                    ("journal.append.before-mark", turn) => turn + 1,
                    (_, turn) if point.starts_with("journal.append") => turn,
                    _ => 1,
                };
                assert!(
                    left.records.len() >= least,
                    "{point}:{turn}: {:?}",
                    left.records
                );
            }
            assert!(elsewhere(
                Command::new(std::env::current_exe().unwrap()),
                root.path(),
                "",
                ""
            ));
            assert!(Journal::unfinished(&state).unwrap().is_none());
        }
    }
    assert!(killed >= 20, "{killed} crash points");
}

fn begin_of(left: &Unfinished) -> Begin {
    left.begin().unwrap().clone()
}

/// A mount namespace with a disk of 1 MiB, and in it this test program.
fn on_a_small_disk() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$OP_DBUS_TEST_JOURNAL\" && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    command
}

#[test]
fn a_full_disk_stops_a_transaction_before_it_begins() {
    let root = tempfile::tempdir().unwrap();
    assert!(elsewhere(
        on_a_small_disk(),
        root.path(),
        "",
        "full at once"
    ));
}

#[test]
fn a_disk_that_fills_up_stops_the_next_step_and_leaves_room_for_the_undo() {
    let root = tempfile::tempdir().unwrap();
    assert!(elsewhere(on_a_small_disk(), root.path(), "", "full later"));
}
