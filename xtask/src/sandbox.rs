//! Root's powers over a network that is nobody's.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Whether this process has user ID 0, in whatever user namespace.
pub fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let mut lines = status.lines().filter_map(|line| line.strip_prefix("Uid:"));
        lines.next().and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
    })
}

/// Wraps a command so that it runs as root of a user, network and mount namespace of its own,
/// where `ip netns` works: `/run` is private there.
pub fn wrapped(command: &Command) -> Command {
    let mut outer = Command::new("unshare");
    outer.args(["--map-root-user", "--net", "--mount", "--", "sh", "-c"]);
    outer.arg("mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"");
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

/// Whether [`wrapped`] works here; some distributions forbid it to ordinary users.
pub fn is_allowed() -> bool {
    crate::command::succeeds(&mut wrapped(&Command::new("true")))
}

/// Returns at once if the user is root, and otherwise starts this program again in a sandbox.
///
/// # Errors
/// The machine does not let ordinary users make namespaces.
pub fn become_root() -> Result<()> {
    if is_root() {
        return Ok(());
    }
    ensure!(
        is_allowed(),
        "this machine does not let ordinary users make network namespaces; run it as root"
    );
    let mut again = Command::new(env::current_exe().context("cannot find xtask itself")?);
    again.args(env::args_os().skip(1));
    Err(wrapped(&again).exec()).context("cannot start unshare")
}

/// Lets an interrupt from the keyboard end the programs that this one runs, and this one only
/// through them, so that it can clean up.
pub fn outlive_interrupts() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing. Programs started later do not inherit a handler.
    unsafe {
        libc::signal(
            libc::SIGINT,
            nothing as extern "C" fn(libc::c_int) as libc::sighandler_t,
        )
    };
}
