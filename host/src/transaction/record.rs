//! What a journal says, record by record.
//!
//! Records are JSON. A newer version may add fields, which an older one skips, and kinds, which an older one reads as
//! [`Record::Unknown`].

use serde::{Deserialize, Serialize};

use super::images::Images;
use super::process::Process;
use crate::contract::exports::op_dbus::plugin::state::CheckpointData;

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "a journal has a handful of records"
)]
pub enum Record {
    /// The first one.
    Begin(Begin),
    /// What a plugin noted before its apply, for its own `rollback`. Written before the plugin's first effect on a message bus.
    PluginCheckpoint {
        /// The plugin instance's name.
        plugin: String,
        /// What its `checkpoint` returned.
        data: CheckpointData,
    },
    /// What was there of the kernel's objects that the next requests may change. Objects imaged before are not repeated.
    Before {
        /// On whose behalf; absent for what an undo itself is about to disturb.
        plugin: Option<String>,
        /// The images.
        images: Images,
    },
    /// What was there of another backend's objects, in that backend's own form; of `dbus` only which objects the next calls are to.
    BackendBefore {
        /// The backend's name: `ovsdb` or `dbus`.
        backend: String,
        /// On whose behalf.
        plugin: String,
        /// What its undo needs.
        image: serde_json::Value,
    },
    /// What is about to be sent, for a person who reads the journal.
    Requests {
        /// On whose behalf.
        plugin: String,
        /// A line each.
        summary: Vec<String>,
    },
    /// All requests of a plugin were answered.
    Applied {
        /// The plugin instance's name.
        plugin: String,
        /// How many requests failed.
        failed: u64,
    },
    /// All is applied and verified, and waits for somebody to say that it works.
    Confirming {
        /// When it is undone otherwise: RFC 3339, UTC, for a person.
        deadline: String,
        /// The same in milliseconds of CLOCK_BOOTTIME, which nobody can set.
        boottime_ms: u64,
    },
    /// It is being undone.
    Undoing {
        /// Why, for a person.
        reason: String,
    },
    /// The new state holds. Final.
    Committed,
    /// The old state holds, save what is listed. Final.
    Undone {
        /// Each object that is not as it was.
        incomplete: Vec<Difference>,
    },
    /// A record of a later version.
    #[serde(other)]
    Unknown,
}

impl Record {
    /// Whether nothing is left to do after it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Committed | Self::Undone { .. })
    }
}

/// Who changes what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The transaction's identity, unique on this host.
    pub transaction: String,
    /// The process that runs it.
    pub process: Process,
    /// On whose behalf.
    pub who: Who,
    /// The command line.
    pub command: String,
    /// In the order in which they apply.
    pub plugins: Vec<PluginDigest>,
    /// RFC 3339, UTC, microseconds.
    pub time: String,
}

impl Begin {
    /// What this process begins now.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn now(command: &str, plugins: Vec<PluginDigest>) -> std::io::Result<Self> {
        let process = Process::current()?;
        let now = std::time::SystemTime::now();
        Ok(Self {
            transaction: format!("{}-{}", humantime::format_rfc3339_millis(now), process.pid),
            process,
            who: Who::current(),
            command: command.to_owned(),
            plugins,
            time: humantime::format_rfc3339_micros(now).to_string(),
        })
    }
}

/// A person, as far as the kernel and sudo(8) know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Real user id of the process.
    pub uid: u32,
    /// Whom sudo(8) names in SUDO_USER, or else the login user (/proc/self/loginuid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The tenant on whose behalf; the audit log adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Who {
    /// Who started this process.
    pub fn current() -> Self {
        // -1 as an unsigned number: nobody logged in, a service did it.
        const NO_LOGIN: &str = "4294967295";
        let login_uid = std::fs::read_to_string("/proc/self/loginuid").ok();
        let login_uid = login_uid.filter(|uid| uid.trim() != NO_LOGIN && !uid.trim().is_empty());
        Self {
            uid: rustix::process::getuid().as_raw(),
            login: std::env::var("SUDO_USER")
                .ok()
                .or_else(|| login_uid.map(|uid| format!("uid {}", uid.trim()))),
            tenant: None,
        }
    }

    /// Whether it is this user: by name, or by number, which counts for whoever logged in as well as for whom the process ran as.
    pub fn is(&self, user: &str) -> bool {
        let login = self.login.as_deref();
        login == Some(user)
            || user.parse::<u32>().is_ok_and(|uid| {
                self.uid == uid || login.is_some_and(|login| login == format!("uid {uid}"))
            })
    }
}

/// A plugin, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginDigest {
    /// The plugin instance's name.
    pub plugin: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
}

/// An object that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The object, e.g. `link eth0` or `route 10.0.0.0/8 table 254`.
    pub object: String,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub should_be: String,
    /// Why it could not be restored: the kernel's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: is {}, should be {}",
            self.object, self.is, self.should_be
        )?;
        match &self.because {
            Some(because) => write!(f, " ({because})"),
            None => Ok(()),
        }
    }
}
