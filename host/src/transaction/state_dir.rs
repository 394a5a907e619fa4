//! Where a network namespace's journal, lock and checkpoints lie.
//!
//! ```text
//! /var/lib/op-dbus/            0700
//!   audit/                     the audit log, one for all namespaces
//!   ns/host/                   the namespace of the first process
//!   ns/net-4097/               another one, by the kernel's cookie for it
//!     lock  journal  journal.previous  checkpoints/
//!   tenants/blue/              of a tenant: all of the above in one, for it has one namespace
//!     audit/  lock  journal  journal.previous  checkpoints/  secrets/  slots/
//! ```
//! A namespace is known by its cookie (SO_NETNS_COOKIE, Linux 5.14), which the kernel never gives out twice within a boot. Its inode
//! number is given out again as soon as the namespace is gone: a journal must not be undone in whatever came after it. Kernels without
//! the cookie fall back to the inode.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::process::boot_id;
use super::room::Room;
use crate::audit::AuditLog;
use crate::tenant::TenantName;

/// Where state is kept unless the operator says otherwise.
pub const DEFAULT_ROOT: &str = "/var/lib/op-dbus";

/// A network namespace, told apart from every other of this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// SO_NETNS_COOKIE, absent where the kernel has none.
    pub cookie: Option<u64>,
    /// Inode of `/proc/self/ns/net`.
    pub inode: u64,
    /// Whether it is the namespace of the first process.
    pub host: bool,
    /// The boot that it belongs to; kernel state ends with it.
    pub boot_id: String,
}

impl Namespace {
    /// The network namespace of the calling thread.
    ///
    /// # Errors
    /// When /proc is not mounted or no socket can be opened.
    pub fn current() -> io::Result<Self> {
        let own = fs::metadata("/proc/thread-self/ns/net")?;
        // Unreadable for who lacks CAP_SYS_PTRACE: then it is somebody else's.
        let host = fs::metadata("/proc/1/ns/net")
            .is_ok_and(|first| first.ino() == own.ino() && first.dev() == own.dev());
        Ok(Self {
            cookie: cookie()?,
            inode: own.ino(),
            host,
            boot_id: boot_id()?,
        })
    }

    /// Whether both are the same namespace of the same boot.
    pub fn is(&self, other: &Self) -> bool {
        let same = match (self.cookie, other.cookie) {
            (Some(left), Some(right)) => left == right,
            _ => self.inode == other.inode,
        };
        same && self.boot_id == other.boot_id
    }

    fn directory_name(&self) -> String {
        match self.cookie {
            _ if self.host => "host".to_owned(),
            Some(cookie) => format!("net-{cookie}"),
            None => format!("inode-{}", self.inode),
        }
    }
}

/// The cookie of the calling thread's network namespace; nothing on a kernel before 5.14.
fn cookie() -> io::Result<Option<u64>> {
    // asm-generic/socket.h; the few architectures with numbers of their own (parisc, sparc) fall back to the inode.
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `length` bytes into `cookie`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if answer == 0 {
        return Ok(Some(cookie));
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
        error => Err(error),
    }
}

/// What may be done and kept in a state directory; without bounds by default.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// The tenant whose it is.
    pub tenant: Option<TenantName>,
    /// Bytes.
    pub room: Room,
    /// Checkpoints, of whatever origin.
    pub checkpoints: Option<usize>,
}

/// The directory of one network namespace.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    path: PathBuf,
    namespace: Namespace,
    bounds: Bounds,
}

impl StateDir {
    /// Opens the directory of a namespace under `root`, and makes what is missing.
    ///
    /// # Errors
    /// Names the directory that cannot be made, synced, or that others may enter.
    pub fn open(root: &Path, namespace: Namespace) -> Result<Self, StateDirError> {
        let path = root.join("ns").join(namespace.directory_name());
        for directory in [root, &root.join("ns"), &path, &path.join("checkpoints")] {
            make(directory)?;
        }
        Ok(Self {
            root: root.into(),
            path,
            namespace,
            bounds: Bounds::default(),
        })
    }

    /// Opens the directory of a tenant, `root`, and makes what is missing. The tenant lives in one namespace, so what is kept outlives a
    /// restart of the host; the journal tells of which namespace it is.
    ///
    /// # Errors
    /// As [`StateDir::open`].
    pub fn of_tenant(
        root: &Path,
        namespace: Namespace,
        bounds: Bounds,
    ) -> Result<Self, StateDirError> {
        for directory in [root, &root.join("checkpoints")] {
            make(directory)?;
        }
        Ok(Self {
            root: root.into(),
            path: root.into(),
            namespace,
            bounds,
        })
    }

    /// The directory of a namespace, if there has been a transaction in it; makes nothing.
    pub fn existing(root: &Path, namespace: Namespace) -> Option<Self> {
        let path = root.join("ns").join(namespace.directory_name());
        path.is_dir().then(|| Self {
            root: root.into(),
            path,
            namespace,
            bounds: Bounds::default(),
        })
    }

    /// Names of the namespaces' directories under `root`, sorted: what a recovery after a restart looks through.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn all(root: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(root.join("ns")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        found.retain(|path| path.is_dir());
        found.sort();
        Ok(found)
    }

    /// The root that all namespaces share.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// This namespace's own directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The namespace that it belongs to.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The lock file, see [`super::lock`].
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The journal of the transaction that runs, see [`super::journal`].
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The journal of the last finished transaction.
    pub fn previous_journal(&self) -> PathBuf {
        self.path.join("journal.previous")
    }

    /// The directory of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The directory of the audit log.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The audit log, for writing.
    ///
    /// # Errors
    /// When it cannot be opened or made.
    pub fn audit_log(&self) -> io::Result<AuditLog> {
        Ok(AuditLog::open(&self.audit())?.bounded(&self.bounds))
    }

    /// What may be done and kept here.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "state directory {path}: {cause}. Choose another with --state-dir, or make this one writable"
)]
pub struct StateDirError {
    /// The directory.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

fn make(directory: &Path) -> Result<(), StateDirError> {
    create(directory).map_err(|cause| StateDirError {
        path: directory.into(),
        cause,
    })
}

/// Makes a directory that its owner alone may enter, durably: the entry in its parent is synced too.
///
/// # Errors
/// When it cannot be made, or exists and lets others write.
pub fn create(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {
            sync_directory(directory)?;
            match directory.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
                _ => Ok(()),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::metadata(directory)?;
            if !found.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            if found.mode() & 0o022 != 0 {
                return Err(io::Error::other("others may write to it; chmod 700 it"));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = directory.parent().ok_or(error)?;
            create(parent)?;
            create(directory)
        }
        Err(error) => Err(error),
    }
}

/// Makes the entries of a directory durable (fsync(2)).
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Puts a file in place whole and durably, or not at all.
///
/// # Errors
/// When it cannot be written or renamed; then what was there is there still.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A bare name has an empty one.
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    sync_directory(directory)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A namespace of no kernel's, for tests that want a directory only.
    pub(crate) fn namespace(cookie: u64) -> Namespace {
        Namespace {
            cookie: Some(cookie),
            inode: 1,
            host: false,
            boot_id: boot_id().unwrap(),
        }
    }

    #[test]
    fn each_namespace_has_a_directory_that_others_cannot_enter() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("deeper/state");
        let one = StateDir::open(&root, namespace(1)).unwrap();
        let two = StateDir::open(&root, namespace(2)).unwrap();
        StateDir::open(&root, namespace(2)).unwrap();
        assert_ne!(one.path(), two.path());
        assert_eq!(StateDir::all(&root).unwrap(), [one.path(), two.path()]);
        for path in [&root, one.path(), &two.checkpoints()] {
            assert_eq!(
                fs::metadata(path).unwrap().mode() & 0o7777,
                0o700,
                "{path:?}"
            );
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = StateDir::open(root.path(), namespace(1)).unwrap_err();
        assert!(
            error.to_string().contains(root.path().to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn a_thread_knows_its_own_namespace() {
        let here = Namespace::current().unwrap();
        let there = std::thread::spawn(|| Namespace::current().unwrap())
            .join()
            .unwrap();
        assert!(here.is(&there));
        assert!(!here.is(&Namespace {
            boot_id: "earlier".into(),
            ..there
        }));
    }
}
