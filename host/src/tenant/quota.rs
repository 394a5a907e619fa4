//! `[tenants.NAME.quota]`: what a tenant may use.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::measure::{Period, Size};
use crate::plugin::limits::Limits;

/// With less than this even a query of an empty namespace does not succeed.
const LEAST_MEMORY: usize = 64 << 20;

/// With less than this no apply could begin: a journal sets half a megabyte aside.
const LEAST_STATE: usize = 2 << 20;

/// Descriptors that a command needs for itself: sockets of three backends, files, the loop of events.
const LEAST_FILES: u64 = 64;

/// What a tenant may use. Memory, CPU time and files are of each of its commands, and [`Quota::operations`] of them run at once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quota {
    /// Memory that a command may write to: the host's part and all plugins together (RLIMIT_DATA). 1 GiB.
    #[serde(deserialize_with = "memory")]
    pub memory: Size,
    /// Processor time of one command (RLIMIT_CPU), in whole seconds. 2 minutes.
    #[serde(deserialize_with = "cpu_time")]
    pub cpu_time: Period,
    /// How far its commands stand back behind others' (nice(1)), 0 to 19. 5: the host's own come first.
    #[serde(deserialize_with = "nice")]
    pub nice: u8,
    /// Files and sockets that a command may have open (RLIMIT_NOFILE). 256.
    #[serde(deserialize_with = "open_files")]
    pub open_files: u64,
    /// Bytes in its state directory: journals, checkpoints and audit log. 256 MiB.
    #[serde(deserialize_with = "state")]
    pub state: Size,
    /// Checkpoints, those of applies and those made by hand together. 20.
    #[serde(deserialize_with = "count")]
    pub checkpoints: usize,
    /// Commands that may run at once. 4.
    #[serde(deserialize_with = "count")]
    pub operations: usize,
    /// How long a transaction may take, from its first change to the system's being read back; then it is undone. 5 minutes.
    pub transaction: Period,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            memory: Size(1 << 30),
            cpu_time: Period(Duration::from_secs(120)),
            nice: 5,
            open_files: 256,
            state: Size(256 << 20),
            checkpoints: 20,
            operations: 4,
            transaction: Period(Duration::from_secs(300)),
        }
    }
}

impl Quota {
    /// What a plugin of the tenant's may use: never so much that nothing would be left for the host's part. So a plugin that wants too much
    /// is told so, and the command lives to undo what it did.
    pub fn cap(&self, limits: Limits) -> Limits {
        Limits {
            memory: limits.memory.min(self.memory.0 / 2),
            crossing: limits.crossing.min(self.memory.0 / 4),
            ..limits
        }
    }
}

fn wrong<T, E: de::Error>(what: &str) -> Result<T, E> {
    Err(E::custom(what))
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    match Size::deserialize(deserializer)? {
        size if size.0 < LEAST_MEMORY => wrong("no command works with less than \"64 MiB\""),
        size => Ok(size),
    }
}

fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    match Size::deserialize(deserializer)? {
        size if size.0 < LEAST_STATE => wrong("no apply can begin with less than \"2 MiB\""),
        size => Ok(size),
    }
}

fn cpu_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
    match Period::deserialize(deserializer)? {
        time if time.0.subsec_nanos() != 0 || time.0.is_zero() => {
            wrong("the kernel counts processor time in whole seconds, from \"1s\" on")
        }
        time => Ok(time),
    }
}

fn nice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        nice @ 0..=19 => Ok(nice),
        _ => wrong("it is from 0 (as everybody else) to 19 (only when nobody else wants to run)"),
    }
}

fn open_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        files if files < LEAST_FILES => wrong("no command works with fewer than 64"),
        files => Ok(files),
    }
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => wrong("with none there is nothing that could be done"),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_no_more_than_leaves_room_for_the_host() {
        let quota = Quota {
            memory: Size(100 << 20),
            ..Quota::default()
        };
        let capped = quota.cap(Limits::default());
        assert_eq!((capped.memory, capped.crossing), (50 << 20, 25 << 20));
        let small = Limits {
            memory: 1 << 20,
            crossing: 1 << 10,
            ..Limits::default()
        };
        let capped = quota.cap(small);
        assert_eq!((capped.memory, capped.crossing), (1 << 20, 1 << 10));
    }

    #[test]
    fn what_nothing_could_be_done_with_is_refused() {
        for text in [
            "memory = \"1 MiB\"",
            "state = 4096",
            "cpu-time = \"500ms\"",
            "nice = 20",
            "nice = -1",
            "open-files = 3",
            "checkpoints = 0",
            "operations = 0",
            "transaction = 5",
            "cpus = 2",
        ] {
            assert!(toml::from_str::<Quota>(text).is_err(), "{text}");
        }
        assert_eq!(toml::from_str::<Quota>("").unwrap(), Quota::default());
    }
}
