//! Booting a kernel, and making sure that it ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::prerequisites::vng;

/// The newest kernel of Debian's on this machine that has its modules beside it.
pub fn kernel() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/boot").ok()?;
    let kernels = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name
            .strip_prefix("vmlinuz-")
            .filter(|version| version.ends_with("-amd64"))?;
        let modules = Path::new("/lib/modules").join(version).join("modules.dep");
        let numbers: Vec<u32> = version
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect();
        modules.exists().then(|| (numbers, entry.path()))
    });
    kernels.max().map(|(_, path)| path)
}

/// How often a machine that says nothing is asked whether it should stop.
const BREATH: Duration = Duration::from_millis(500);

/// Boots the kernel, runs `sh SCRIPT` as root with `writable` as the only writable directory of
/// the machine's, streams all that it says to `output`, and returns it.
///
/// # Errors
/// The machine cannot be started, or had to be killed: at the deadline, or because `stop` was set.
pub fn run(
    script: &Path,
    writable: &Path,
    output: &mut dyn Write,
    stop: &AtomicBool,
    deadline: Instant,
) -> Result<String> {
    let vng = vng().context("virtme-ng is missing")?;
    let kernel = kernel().context("there is no Debian kernel in /boot")?;
    let mut command = Command::new(&vng);
    command.arg("--run").arg(&kernel);
    // /dev/kvm may exist and hang all the same (nested virtualization); emulation always works.
    command.args([
        "--disable-kvm",
        "--user",
        "root",
        "--cpus",
        "2",
        "--memory",
        "2G",
    ]);
    command
        .arg("--rwdir")
        .arg(writable)
        .args(["--", "sh"])
        .arg(script);
    if let Some(directory) = vng.parent() {
        // vng starts its other programs by name.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", [directory.as_os_str(), &path].join(OsStr::new(":")));
    }
    // Pipes, not files: the machine's console writes at offsets of its own.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .process_group(0)
        .spawn()
        .context("cannot start vng")?;
    stream(&mut child, output, stop, deadline)
}

/// Copies the output of a process until it ends.
fn stream(
    child: &mut Child,
    output: &mut dyn Write,
    stop: &AtomicBool,
    deadline: Instant,
) -> Result<String> {
    let (lines, received) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let lines = lines.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                if lines
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
                line.clear();
            }
        });
    }
    drop(lines);

    let mut seen = String::new();
    loop {
        match received.recv_timeout(BREATH) {
            Ok(line) => {
                // Whoever reads may have gone; the tests go on.
                _ = output.write_all(line.as_bytes());
                seen.push_str(&line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                kill_group(child);
                bail!("the virtual machine was stopped");
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() > deadline {
            kill_group(child);
            bail!("the virtual machine was killed: not done in time");
        }
    }
    child.wait().context("cannot wait for vng")?;
    Ok(seen)
}

/// Kills vng with the qemu and the virtiofsd that it started: its process group.
fn kill_group(child: &mut Child) {
    let group = libc::pid_t::try_from(child.id()).expect("process IDs fit pid_t");
    // SAFETY: plain system call; the group is ours as long as its leader is not waited for.
    unsafe { libc::kill(-group, libc::SIGKILL) };
    _ = child.wait();
}
