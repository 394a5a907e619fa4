//! SIGKILL at every step of an append and of a rotation: the next writer goes on, and the log is in order.

use std::path::Path;
use std::process::Command;

use super::super::verify;
use super::tests::entry;
use super::*;
use crate::audit::Kind;
use crate::transaction::failpoint::NAMES;

/// Two records a file, so that every other append rotates.
const ROTATE_AT: u64 = 1000;
/// What a writer that is not killed adds.
const RECORDS: u64 = 7;

#[test]
#[ignore = "a writer, for the tests here to kill"]
fn in_another_process() {
    let directory = std::env::var_os("OP_DBUS_TEST_AUDIT").unwrap();
    let log = AuditLog::rotating_at(Path::new(&directory), ROTATE_AT).unwrap();
    for _ in 0..RECORDS {
        log.append(&entry(Kind::Call, "net", "t")).unwrap();
    }
    log.sync().unwrap();
}

/// Lets another process write, and says whether it came to its end.
fn writes(directory: &Path, failpoint: Option<&str>) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "audit::log::death_tests::in_another_process",
        ])
        .env("OP_DBUS_TEST_AUDIT", directory)
        .envs(failpoint.map(|point| ("OP_DBUS_FAILPOINT", point)))
        .output()
        .unwrap()
        .status;
    assert!(status.success() || status.code().is_none(), "{status}");
    status.success()
}

#[test]
fn a_writer_killed_at_any_step_leaves_a_log_in_order_and_the_next_one_goes_on() {
    let mut killed = 0;
    for point in NAMES.iter().filter(|name| name.starts_with("audit.")) {
        for turn in 1.. {
            let directory = tempfile::tempdir().unwrap();
            let survived = writes(directory.path(), Some(&format!("{point}:{turn}")));
            let left = verify(directory.path()).unwrap().count;
            assert!(left <= RECORDS, "{point}:{turn}");
            assert!(writes(directory.path(), None), "{point}:{turn}");
            let whole = verify(directory.path()).unwrap().count;
            assert_eq!(whole, left + RECORDS, "{point}:{turn}");
            if survived {
                assert!(turn > 1, "{point} is never passed");
                break;
            }
            killed += 1;
        }
    }
    println!("killed {killed} writers");
    assert!(killed >= 20, "{killed}");
}
