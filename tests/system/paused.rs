//! A command that stops itself on the way, so that a test can look around and interfere.

use std::process::{Child, Command, Stdio};

use crate::namespace::Namespace;

/// A command that stops itself at a failpoint.
pub struct Paused {
    child: Child,
}

impl Paused {
    /// Starts one and waits until it has stopped.
    pub fn at(namespace: &Namespace, failpoints: &str, arguments: &[&str]) -> Self {
        let child = namespace
            .op_dbus_command()
            .args(arguments)
            .env("OP_DBUS_FAILPOINT", failpoints)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let paused = Self { child };
        paused.wait_until_stopped();
        paused
    }

    fn wait_until_stopped(&self) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = Pid::from_child(&self.child);
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), options).unwrap().unwrap();
        assert!(status.stopped(), "it ended before the failpoint");
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on until the next failpoint.
    pub fn go_on_to_the_next(&self) {
        self.signal("-CONT");
        self.wait_until_stopped();
    }

    /// Lets it go on, and returns its exit code and what it said.
    pub fn go_on(self) -> (Option<i32>, String) {
        self.signal("-CONT");
        let output = self.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }
}
