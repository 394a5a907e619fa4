//! Compiling a component that others wrote, in a process apart.
//!
//! The compiler is the largest part of the host that works on bytes of strangers before anything bounds them: a component can be made to
//! take hours and all memory. A child process does it, which reads the component and writes the code, with little memory, little time, no
//! network, no privileges and no files. What it writes is native code and is trusted as the compiler's own: whoever could make the
//! compiler write something else than what the component says would have the host. The child bounds what compiling costs, not what the
//! compiler's defects are worth.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open};
use rustix::time::Timespec;

use super::engine::engine;
use super::limits::Limits;

/// Words of the child's on its way out that are worth repeating, and that it may write.
const LONGEST_COMPLAINT: u64 = 4096;

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is no component, or none that the engine takes. The compiler's own words.
    #[error("{0}")]
    Refused(String),
    /// Compiling it takes more than its limits allow.
    #[error("{0}")]
    Exceeded(String),
    /// The compiler broke down.
    #[error("{0}")]
    Died(String),
    /// No process could be had for it.
    #[error("no process for it could be started: {0}")]
    System(#[from] io::Error),
}

/// Where and how a component is compiled.
#[derive(Clone, Copy)]
pub struct Apart<'a> {
    /// The program `op-dbus`.
    pub program: &'a Path,
    /// Its limits `compile-memory` and `compile-deadline` count.
    pub limits: &'a Limits,
}

impl Apart<'_> {
    /// The code of a component, as `Component::deserialize` takes it.
    ///
    /// # Errors
    /// When the component is none, or its compilation exceeds the limits.
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        let input = in_memory(wasm)?;
        let mut complaint = in_memory(b"")?;
        let seconds = self.limits.compile_deadline.as_secs().max(1);
        let child = Command::new(self.program)
            .arg0("op-dbus")
            .args(["plugin", "compile-child"])
            .args(["--memory", &self.limits.compile_memory.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .env_clear()
            // On a machine of many processors, threads would reserve all of the address space for themselves.
            .env("RAYON_NUM_THREADS", "4")
            .env("MALLOC_ARENA_MAX", "2")
            // A signal from the terminal is for this process, which may be in the middle of an undo.
            .process_group(0)
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::from(complaint.try_clone()?))
            .spawn()?;
        let mut child = Reaped(child);
        let code = self.read(&mut child.0);
        if code.is_err() {
            let _ = child.0.kill();
        }
        let status = child.0.wait()?;
        let code = code?;
        if status.success() {
            return Ok(code);
        }
        let mut words = Vec::new();
        complaint.rewind()?;
        complaint.take(LONGEST_COMPLAINT).read_to_end(&mut words)?;
        Err(self.judge(status, String::from_utf8_lossy(&words).trim()))
    }

    /// Reads what the child writes, to its end and the child's.
    fn read(&self, child: &mut Child) -> Result<Vec<u8>, CompileError> {
        let deadline = Instant::now() + self.limits.compile_deadline;
        let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        let ended = ended.map_err(io::Error::from)?;
        let mut stdout = child.stdout.take().expect("it is a pipe");
        let mut code = Vec::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            self.wait(stdout.as_fd(), deadline)?;
            match stdout.read(&mut piece)? {
                0 => break,
                count if code.len() + count > self.limits.compile_memory => {
                    return Err(self.too_much_memory());
                }
                count => code.extend(&piece[..count]),
            }
        }
        self.wait(ended.as_fd(), deadline)?;
        Ok(code)
    }

    /// Waits until there is something to read.
    fn wait(&self, from: BorrowedFd<'_>, deadline: Instant) -> Result<(), CompileError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CompileError::Exceeded(format!(
                    "that did not end within {} s (its limit `compile-deadline`)",
                    self.limits.compile_deadline.as_secs_f64()
                )));
            }
            let timeout = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn too_much_memory(&self) -> CompileError {
        CompileError::Exceeded(format!(
            "that takes more memory than its limit `compile-memory` allows, {} MiB",
            self.limits.compile_memory >> 20
        ))
    }

    /// What the child's end means.
    fn judge(&self, status: ExitStatus, words: &str) -> CompileError {
        const OUT_OF_MEMORY: [&str; 3] = [
            "memory allocation of",
            "Cannot allocate memory",
            "Resource temporarily unavailable",
        ];
        if OUT_OF_MEMORY.iter().any(|sign| words.contains(sign)) {
            return self.too_much_memory();
        }
        let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
        if ended_by(Signal::XCPU) || ended_by(Signal::KILL) {
            return CompileError::Exceeded(format!(
                "that takes more of a processor's time than {} s (its limit `compile-deadline`)",
                self.limits.compile_deadline.as_secs_f64()
            ));
        }
        match status.code() == Some(REFUSED.into()) {
            true => CompileError::Refused(words.to_owned()),
            false => CompileError::Died(format!("the compiler broke down ({status}): {words}")),
        }
    }
}

/// A child that is not left behind, whatever happens.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("op-dbus-component", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Exit code of the child for what is no component.
const REFUSED: u8 = 2;

/// The child's work: a component from standard input, code to standard output. Returns the exit code.
pub fn child(memory: u64, seconds: u64) -> u8 {
    if let Err(error) = confine(memory, Duration::from_secs(seconds)) {
        complain(&format_args!("its limits cannot be set: {error}"));
        return 1;
    }
    let mut wasm = Vec::new();
    if let Err(error) = io::stdin().lock().read_to_end(&mut wasm) {
        complain(&error);
        return 1;
    }
    match engine().precompile_component(&wasm) {
        Ok(code) => match io::stdout().lock().write_all(&code) {
            Ok(()) => 0,
            Err(error) => {
                complain(&error);
                1
            }
        },
        Err(error) => {
            complain(&format_args!("{error:#}"));
            REFUSED
        }
    }
}

fn complain(what: &dyn fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}

/// Gives up whatever compiling does not need. Not with a network namespace of its own: to make one can take seconds on a host that is taking
/// others away, and without descriptors there is nothing to be had from it.
fn confine(memory: u64, time: Duration) -> io::Result<()> {
    let seconds = time.as_secs();
    for (resource, current, maximum) in [
        (Resource::As, memory, memory),
        // The kernel sends SIGXCPU at the first, and SIGKILL at the second.
        (Resource::Cpu, seconds, seconds + 1),
        (Resource::Core, 0, 0),
        // It writes to no file but the one for its last words.
        (Resource::Fsize, LONGEST_COMPLAINT, LONGEST_COMPLAINT),
        // Those that it has. Whatever opens a file or makes a socket fails.
        (Resource::Nofile, 3, 3),
    ] {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    drop_privileges();
    rustix::thread::set_no_new_privs(true)?;
    // After the change of user, which makes the kernel forget it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Becomes `nobody` where this is root.
fn drop_privileges() {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    /// The overflow user of user_namespaces(7), `nobody` by custom.
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (user, group) = (
        rustix::process::Uid::from_raw(NOBODY),
        rustix::process::Gid::from_raw(NOBODY),
    );
    // Within a user namespace there may be no such user; then root there is nobody outside.
    // This process has one thread so far; those that come later are made with what it has then.
    let _ = set_thread_groups(&[]);
    let _ = set_thread_res_gid(group, group, group);
    let _ = set_thread_res_uid(user, user, user);
}
