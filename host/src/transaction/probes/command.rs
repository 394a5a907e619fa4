//! Whether a program ends well.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::backends::netlink::Place;
use crate::transaction::watched::watched;

/// How much of what a program prints is repeated, in bytes.
const MOST_REPEATED: usize = 1024;

/// A program with all that it has started; none of it outlives this.
struct Group {
    child: Child,
    leader: Pid,
    over: bool,
}

impl Group {
    /// Ends all that still runs, and tells how the program itself ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.over = true;
        // Until it is waited for, its number is nobody else's: neither a process's nor a group's.
        let _ = kill_process_group(self.leader, Signal::KILL);
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.end();
        }
    }
}

/// Runs a program in the network namespace, without a shell, and waits for its end. Dropped, it takes the program and what that has started
/// along.
///
/// # Errors
/// How it ended, and the beginning of what it printed.
pub async fn succeeds(place: &Arc<Place>, words: &[String]) -> Result<(), String> {
    let (group, output) = start(place, words)?;
    let mut printed = Vec::new();
    let status = run(group, output, &mut printed)
        .await
        .map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&printed);
    Err(match printed.trim() {
        "" => status.to_string(),
        said => format!("{status}: {said}"),
    })
}

fn start(place: &Arc<Place>, words: &[String]) -> Result<(Group, Receiver), String> {
    let (program, arguments) = words.split_first().ok_or("there is no program")?;
    let spawn = || -> io::Result<(Group, Receiver)> {
        let (ours, theirs) = io::pipe()?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(theirs.try_clone()?)
            .stderr(theirs)
            .process_group(0)
            .spawn()?;
        let leader = Pid::from_child(&child);
        Ok((
            Group {
                child,
                leader,
                over: false,
            },
            Receiver::from_owned_fd(OwnedFd::from(ours))?,
        ))
    };
    // A child lives in the network namespace of the thread that starts it; the receiver belongs to this thread's runtime.
    let runtime = tokio::runtime::Handle::current();
    let within = || {
        let _entered = runtime.enter();
        spawn()
    };
    place
        .within(&format!("start {program}"), within)
        .map_err(|failure| failure.message)
}

async fn run(
    mut group: Group,
    mut output: Receiver,
    printed: &mut Vec<u8>,
) -> io::Result<ExitStatus> {
    let ended = watched(pidfd_open(group.leader, PidfdFlags::NONBLOCK)?)?;
    let mut buffer = [0; 4096];
    let mut open = true;
    loop {
        tokio::select! {
            read = output.read(&mut buffer), if open => match read {
                // All is read, so that a program that prints much does not wait for a reader.
                Ok(count) if count > 0 => {
                    let room = MOST_REPEATED.saturating_sub(printed.len());
                    printed.extend_from_slice(&buffer[..count.min(room)]);
                }
                Ok(_) => open = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => open = false,
            },
            ready = ended.readable() => {
                ready?.retain_ready();
                break;
            }
        }
    }
    // What it printed last lies in the pipe still.
    while open && printed.len() < MOST_REPEATED {
        match output.try_read(&mut buffer) {
            Ok(count) if count > 0 => printed.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    group.end()
}
