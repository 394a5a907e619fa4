//! The watcher over a command for a tenant.
//!
//! The command works in a fork of this process, which the kernel holds to the tenant's quotas; the watcher is held to none. Should the quotas
//! (or a crash) end the command, the watcher says so and lets another fork undo what was begun, at once. Should the watcher be killed, the
//! command dies with it, as if it had been killed itself; the next one undoes.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::process::{ExitCode, exit};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::options::Options;
use super::report;
use super::session::Session;
use super::talk::say;
use super::{INCOMPLETE, recovered};
use crate::plugin::builtin::Builtin;
use crate::tenant::confine::confine;
use crate::tenant::{Quota, Tenant, slots};
use crate::transaction::state_dir;

/// What is left to do in this process.
pub enum Part {
    /// The command itself, within the quotas.
    Command,
    /// Undoing what a command began that the quotas ended, within the quotas.
    Recovery,
    /// Nothing: it was watched to its end.
    Over(ExitCode),
}

/// Splits off a command for a tenant and watches it. Returns in each of the processes. For a command that `decides` what becomes of a change
/// that awaits confirmation, there is a place beside that of the command which waits.
///
/// # Errors
/// When as many commands run as the tenant may have; when the kernel refuses something. Nothing was begun then.
pub fn split(tenant: &Tenant, options: &Options, decides: bool) -> anyhow::Result<Part> {
    let directory = options.state_dir();
    state_dir::create(directory).with_context(|| directory.display().to_string())?;
    let count = tenant.quota.operations;
    let places = count + usize::from(decides);
    let slot = slots::take(directory, places).with_context(|| directory.display().to_string())?;
    let Some(slot) = slot else {
        bail!(
            "tenant {}: {count} commands are running, as many as {} allows; wait for one of them",
            tenant.name,
            tenant.setting("operations")
        );
    };
    let Some(ended) = fork(&tenant.quota)? else {
        // Held for as long as this process lives.
        std::mem::forget(slot);
        return Ok(Part::Command);
    };
    let Fate::Died { signal, usage } = ended else {
        return Ok(Part::Over(ended.code()));
    };
    let why = anyhow::Error::msg(usage.explain(signal, tenant));
    say(&report::error(&why, options.talk_style()));
    if !directory.join("journal").exists() {
        say("no transaction is open; `op-dbus audit show` lists those that have ended\n");
        return Ok(Part::Over(ExitCode::FAILURE));
    }
    match fork(&tenant.quota)? {
        None => {
            std::mem::forget(slot);
            Ok(Part::Recovery)
        }
        Some(Fate::Died { signal, usage }) => {
            let why = usage.explain(signal, tenant);
            let why = anyhow::anyhow!("undoing it: {why}; the next command goes on with that");
            say(&report::error(&why, options.talk_style()));
            Ok(Part::Over(ExitCode::from(INCOMPLETE)))
        }
        Some(ended) => Ok(Part::Over(ended.code())),
    }
}

/// Undoes what a command began that the quotas ended.
///
/// # Errors
/// As [`Session::lock_and_recover`].
pub async fn recover(options: &Options, builtins: &[Builtin]) -> anyhow::Result<ExitCode> {
    let session = Session::open(options, builtins).await?;
    let found = session.lock_and_recover().await?.2;
    Ok(found.as_ref().map_or(ExitCode::FAILURE, recovered))
}

/// How a forked process ended.
enum Fate {
    Exited(u8),
    Died { signal: i32, usage: Usage },
}

impl Fate {
    fn code(&self) -> ExitCode {
        match self {
            Self::Exited(code) => ExitCode::from(*code),
            Self::Died { .. } => ExitCode::FAILURE,
        }
    }
}

/// What a process had used when it ended.
struct Usage {
    cpu: Duration,
    /// The most memory that it held, in bytes.
    memory: u64,
}

impl Usage {
    fn explain(&self, signal: i32, tenant: &Tenant) -> String {
        let (name, quota) = (&tenant.name, &tenant.quota);
        let spent = self.cpu.as_secs();
        // The kernel counts in ticks, and this by the clock: SIGXCPU may come a little before its time.
        let by_time =
            signal == libc::SIGXCPU || signal == libc::SIGKILL && self.cpu >= quota.cpu_time.0;
        match signal {
            _ if by_time => format!(
                "tenant {name}: the command had used {spent} s of processor time and was stopped; {} allows {}",
                tenant.setting("cpu-time"),
                humantime::format_duration(quota.cpu_time.0)
            ),
            libc::SIGABRT => format!(
                "tenant {name}: the command gave up, as it does when it gets no more memory; it held {} MiB, and {} allows {}",
                self.memory >> 20,
                tenant.setting("memory"),
                quota.memory
            ),
            _ => format!("tenant {name}: the command was killed by signal {signal}"),
        }
    }
}

/// Forks; in the child, which gets nothing, the quotas hold. Returns in the parent when that has ended.
fn fork(quota: &Quota) -> anyhow::Result<Option<Fate>> {
    let threads = fs::read_dir("/proc/self/task").context("/proc")?.count();
    ensure!(threads == 1, "a process with threads cannot be split");
    let watcher = getpid();
    let signals = Signals::hold().context("signals")?;
    // SAFETY: there is one thread, so that no lock is held by another one that the child would not have.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()).context("a process of its own"),
        0 => {
            signals.release();
            let confined = follow(watcher).and_then(|()| confine(quota));
            confined.context("the quotas cannot be set")?;
            Ok(None)
        }
        child => {
            let fate = signals.watch(child).context("a process of its own");
            signals.release();
            fate.map(Some)
        }
    }
}

/// Lets this process die with its watcher.
fn follow(watcher: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(watcher) {
        // It was too late for that.
        exit(1);
    }
    Ok(())
}

/// Signals that are held back while a process is watched.
struct Signals {
    held: libc::sigset_t,
    before: libc::sigset_t,
}

impl Signals {
    fn hold() -> io::Result<Self> {
        let (mut held, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are written before they are read; SIGCHLD, should it have been ignored, is so no more.
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            libc::sigemptyset(held.as_mut_ptr());
            for signal in [
                libc::SIGINT,
                libc::SIGTERM,
                libc::SIGHUP,
                libc::SIGQUIT,
                libc::SIGCHLD,
            ] {
                libc::sigaddset(held.as_mut_ptr(), signal);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(Self {
                    held: held.assume_init(),
                    before: before.assume_init(),
                }),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    fn release(&self) {
        // SAFETY: the set was filled by `hold`.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                std::ptr::null_mut(),
            );
        }
    }

    /// Waits for the end of a child. What other processes send here goes on to it; what a terminal sends it has got itself.
    fn watch(&self, child: libc::pid_t) -> io::Result<Fate> {
        loop {
            // SAFETY: zeros are a siginfo_t; the kernel fills it.
            let mut info: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
            // SAFETY: both live through the call.
            match unsafe { libc::sigwaitinfo(&raw const self.held, &raw mut info) } {
                libc::SIGCHLD => {
                    if let Some(fate) = ended(child)? {
                        return Ok(fate);
                    }
                }
                -1 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                // Above 0 it is the kernel's own (sigaction(2), si_code).
                signal if info.si_code <= 0 => {
                    // SAFETY: the child has not been waited for: its number is nobody else's.
                    unsafe { libc::kill(child, signal) };
                }
                _ => {}
            }
        }
    }
}

/// How the child ended, if it has.
fn ended(child: libc::pid_t) -> io::Result<Option<Fate>> {
    let mut status = 0;
    // SAFETY: zeros are a rusage; both live through the call.
    let mut usage: libc::rusage = unsafe { MaybeUninit::zeroed().assume_init() };
    match unsafe { libc::wait4(child, &raw mut status, libc::WNOHANG, &raw mut usage) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ if libc::WIFEXITED(status) => {
            let code = u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX);
            Ok(Some(Fate::Exited(code)))
        }
        _ => {
            let time = |time: libc::timeval| {
                Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
                    + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
            };
            Ok(Some(Fate::Died {
                signal: libc::WTERMSIG(status),
                usage: Usage {
                    cpu: time(usage.ru_utime) + time(usage.ru_stime),
                    memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10,
                },
            }))
        }
    }
}
