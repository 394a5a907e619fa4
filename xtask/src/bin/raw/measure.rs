//! What a program costs, as the kernel accounts for it when the program ends.
//!
//! The peak that the kernel reports begins at that of the process that started the program: hence
//! this small one rather than xtask.

use std::fs::{self, File};
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Instant;

/// Runs `program` in the namespace that `ip netns` calls `namespace`, and writes the report.
pub fn run(namespace: &str, report: &str, program: &[&str]) -> Result<()> {
    enter(namespace)?;
    let start = Instant::now();
    let child = Command::new(program[0]).args(&program[1..]).spawn()?;
    let pid = libc::pid_t::try_from(child.id()).expect("process IDs fit pid_t");
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live variables; rusage is plain numbers, valid when zero.
    let usage = unsafe {
        if libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) != pid {
            return Err(Error::last_os_error());
        }
        usage.assume_init()
    };
    let wall = start.elapsed().as_nanos();
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    let cpu = micros(usage.ru_utime) + micros(usage.ru_stime);
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128
    };
    fs::write(report, format!("{wall} {cpu} {} {code}\n", usage.ru_maxrss))
}

fn enter(namespace: &str) -> Result<()> {
    let file = File::open(format!("/run/netns/{namespace}"))?;
    // SAFETY: plain system call on a descriptor that is open.
    if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(Error::last_os_error());
    }
    Ok(())
}
