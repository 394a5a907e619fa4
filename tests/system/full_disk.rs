//! State directories that cannot be written.

use std::path::PathBuf;
use std::process::Command;

use crate::namespace::{Namespace, assert_same};
use crate::rollback::{change, inhabited};

/// A file system of its own, in memory, under the state directory of a namespace.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn under(namespace: &Namespace, kilobytes: u32) -> Self {
        let path = namespace.directory().join("state");
        std::fs::create_dir_all(&path).unwrap();
        let disk = Self { path };
        let size = format!("size={kilobytes}k,mode=700");
        disk.mount(&["-t", "tmpfs", "-o", &size, "tmpfs"]);
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        let mut command = Command::new("mount");
        let mounted = command.args(arguments).arg(&self.path).status();
        assert!(mounted.unwrap().success(), "mount {arguments:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.path).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.path.display());
        }
    }
}

#[test]
fn an_apply_on_a_disk_of_any_size_is_done_or_leaves_everything_as_it_was() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    let apply = ["apply", file.to_str().unwrap()];
    let (mut refused, mut done) = (0, 0);
    for kilobytes in [4, 32, 128, 512, 520, 528, 536, 544, 552, 560, 768, 1024] {
        let disk = Disk::under(&namespace, kilobytes);
        let run = namespace.op_dbus(&apply);
        if run.is_success() {
            done += 1;
            // Going back is an apply of its own, and needs as much.
            disk.mount(&["-o", "remount,size=4096k"]);
            namespace.op_dbus(&["rollback"]).success();
        } else {
            refused += 1;
            assert!(
                run.stderr.contains("No space left") || run.stderr.contains("os error 28"),
                "{}",
                run.stderr
            );
        }
        assert_same(&namespace.everything(), &before);
    }
    assert!(refused > 3 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn a_read_only_state_directory_stops_an_apply_before_it_changes_anything() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    let apply = ["apply", file.to_str().unwrap()];
    let disk = Disk::under(&namespace, 4096);
    // One that was used before, and one that never was.
    for used in [false, true] {
        disk.mount(&["-o", "remount,ro"]);
        let run = namespace.op_dbus(&apply).code(1);
        assert!(
            run.stderr.contains("Read-only file system"),
            "{}",
            run.stderr
        );
        assert_same(&namespace.everything(), &before);
        // Looking is possible.
        namespace.op_dbus(&["query"]).success();
        disk.mount(&["-o", "remount,rw"]);
        if !used {
            namespace.op_dbus(&apply).success();
            namespace.op_dbus(&["rollback"]).success();
        }
    }
}
