//! Which process is meant: a pid alone is reused, a pid with its start time is not.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// A process, named so that a later one with the same pid is not mistaken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id, as this process's pid namespace counts.
    pub pid: u32,
    /// When it started, in clock ticks after boot (proc_pid_stat(5), field 22).
    pub start_time: u64,
}

impl Process {
    /// The process that asks.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> io::Result<Self> {
        let pid = std::process::id();
        let start_time = start_time(pid)?
            .ok_or_else(|| io::Error::other("/proc shows no stat of this very process"))?;
        Ok(Self { pid, start_time })
    }

    /// Whether it still runs. A zombie holds nothing any more, and counts as gone.
    pub fn is_alive(&self) -> bool {
        matches!(start_time(self.pid), Ok(Some(start)) if start == self.start_time)
    }
}

/// The identity of this boot (random(4)).
///
/// # Errors
/// When /proc is not mounted.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// Start time of a process, nothing for one that is gone or a zombie.
fn start_time(pid: u32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The command may hold spaces and parentheses; what follows the last one is state, ppid, … and start time as the 20th.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return Ok(None);
    }
    match fields.get(19).and_then(|field| field.parse().ok()) {
        Some(start) => Ok(Some(start)),
        None => Err(io::Error::other(format!(
            "/proc/{pid}/stat has no start time: {stat}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_with_its_pid_but_another_start_is_not() {
        let me = Process::current().unwrap();
        assert!(me.is_alive());
        assert!(
            !Process {
                start_time: me.start_time + 1,
                ..me
            }
            .is_alive()
        );
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let process = Process {
            pid,
            start_time: start_time(pid).unwrap().unwrap(),
        };
        assert!(process.is_alive());
        drop(child.stdin.take());
        // The pipe ends when the child has exited (its descriptors close before it becomes a zombie): then wait for the state.
        let wait = rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child)),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        );
        assert!(wait.unwrap().is_some());
        assert!(!process.is_alive());
        child.wait().unwrap();
    }
}
