//! A network namespace for one test, and the programs that run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::carrier;

/// A network namespace with a directory for files and for op-dbus's state; both go with it.
pub struct Namespace {
    name: String,
    directory: tempfile::TempDir,
}

impl Namespace {
    /// An empty one: a loopback interface that is down.
    ///
    /// # Panics
    /// `ip netns add` fails: the tests need root and iproute2.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("opdbus-test-{}-{count}", process::id());
        let directory = tempfile::tempdir().expect("a temporary directory");
        // From here on `drop` tidies up.
        let namespace = Self { name, directory };
        Run::of(Command::new("ip").args(["netns", "add", &namespace.name])).success();
        namespace
    }

    /// Its name, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A directory of the test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `ip` in the namespace and returns what it prints.
    ///
    /// # Panics
    /// `ip` fails.
    pub fn ip(&self, arguments: &[&str]) -> String {
        self.try_ip(arguments).success().stdout
    }

    /// Runs `ip` in the namespace, where it may fail.
    pub fn try_ip(&self, arguments: &[&str]) -> Run {
        Run::of(
            Command::new("ip")
                .args(["-netns", &self.name])
                .args(arguments),
        )
    }

    /// Runs `ip -json` in the namespace. An empty answer is an empty list.
    ///
    /// # Panics
    /// `ip` fails.
    pub fn ip_json(&self, arguments: &[&str]) -> Value {
        let text = self
            .try_ip(&[&["-json"], arguments].concat())
            .success()
            .stdout;
        if text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// What `ip` says about one link, with the details of its kind; `None` if there is none.
    pub fn link(&self, name: &str) -> Option<Value> {
        let run = self.try_ip(&["-json", "-details", "link", "show", "dev", name]);
        let links: Vec<Value> = serde_json::from_str(&run.stdout).ok()?;
        links.into_iter().next()
    }

    /// Links, addresses, routes and rules in the words of `ip`, one object a line, to be compared with [`assert_same`]. Without what the
    /// kernel moves by itself: timers, and whether an
    /// address is still being checked for duplicates; and without whether it ever is (`nodad`), which the contract cannot name.
    pub fn everything(&self) -> Vec<String> {
        const PARTS: [&[&str]; 7] = [
            &["-details", "link"],
            &["address"],
            &["-4", "route", "show", "table", "all"],
            &["-6", "route", "show", "table", "all"],
            &["-4", "rule"],
            &["-6", "rule"],
            &["neighbour", "show", "nud", "permanent"],
        ];
        carrier::settle(&self.name);
        let mut lines = Vec::new();
        for part in PARTS {
            for mut object in self.ip_json(part).as_array().expect("a list").clone() {
                without_timers(&mut object);
                for address in object["addr_info"].as_array_mut().into_iter().flatten() {
                    address
                        .as_object_mut()
                        .expect("an object")
                        .retain(|key, _| !matches!(key.as_str(), "tentative" | "nodad"));
                }
                // The kernel makes these when it has finished checking an address.
                let own = object["protocol"] == "kernel"
                    && object["dst"].as_str().is_some_and(|dst| {
                        dst.starts_with('f') || (dst.contains(':') && object["type"] == "local")
                    });
                if !own {
                    lines.push(format!("{} {object}", part.join(" ")));
                }
            }
        }
        lines.sort();
        lines
    }

    /// Writes a file into the test's directory.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory().join(name);
        std::fs::write(&path, text).expect("the test's directory takes a file");
        path
    }

    /// Runs `op-dbus` on the namespace, with a state directory of the test's own.
    pub fn op_dbus<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        Run::of(self.op_dbus_command().args(arguments))
    }

    /// The same as a command, for a test that needs more of it.
    pub fn op_dbus_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
        command.arg("--netns").arg(&self.name);
        command
            .arg("--state-dir")
            .arg(self.directory().join("state"));
        command.arg("--cache-dir").arg(cache());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let deleted = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("the namespace {} is left behind", self.name);
        }
    }
}

/// Removes the bridge's running timers.
fn without_timers(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|key, _| !key.ends_with("_timer"));
            entries.values_mut().for_each(without_timers);
        }
        Value::Array(items) => items.iter_mut().for_each(without_timers),
        _ => {}
    }
}

/// Asserts that two answers of [`Namespace::everything`] say the same, and shows only what differs.
#[track_caller]
pub fn assert_same(now: &[String], before: &[String]) {
    let only = |these: &[String], those: &[String], sign: &str| -> String {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    assert!(
        now == before,
        "the network is not as it was:\n{}{}",
        only(before, now, "-"),
        only(now, before, "+")
    );
}

/// Compiled plugins, shared by all tests: compiling one takes longer than most tests.
fn cache() -> PathBuf {
    match std::env::var_os("OP_DBUS_TEST_CACHE") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
    }
}

/// What a program printed and how it ended.
pub struct Run {
    command: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    code: Option<i32>,
}

impl Run {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn of(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let output = command.output();
        let Output {
            status,
            stdout,
            stderr,
        } = output.unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self {
            command: shown,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            code: status.code(),
        }
    }

    /// Whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// Asserts an exit code; a signal is none.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        let Self {
            command,
            stdout,
            stderr,
            code,
        } = &self;
        assert!(
            *code == Some(expected),
            "{command}\nexit code {code:?}, not {expected}\n-- stdout\n{stdout}\n-- stderr\n{stderr}"
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("{error}: {}\n{}", self.command, self.stdout))
    }
}
