//! Network namespaces (network_namespaces(7)): entering one on a thread of its own.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::errno;
use crate::contract::types::{Failure, FailureCode};

/// A network namespace, held open.
pub struct Namespace {
    file: File,
    inode: u64,
    /// False for the one that this process lives in already.
    foreign: bool,
    shown: String,
}

impl Namespace {
    /// The namespace of this name (below /run/netns, as ip-netns(8) has it) or, with a `/` in it, at this path; ours for none.
    pub fn open(name: Option<&str>) -> Result<Self, Failure> {
        let path = match name {
            None => PathBuf::from("/proc/thread-self/ns/net"),
            Some(path) if path.contains('/') => PathBuf::from(path),
            Some("" | "." | "..") => {
                return Err(Failure {
                    code: FailureCode::Invalid,
                    message: format!("{:?} is no name of a network namespace", name.unwrap_or("")),
                    backend: None,
                });
            }
            Some(name) => PathBuf::from("/run/netns").join(name),
        };
        let shown = match name {
            None => "the present network namespace".to_owned(),
            Some(name) => format!("network namespace {name}"),
        };
        let open = || -> io::Result<(File, u64)> {
            let file = File::open(&path)?;
            let inode = file.metadata()?.ino();
            Ok((file, inode))
        };
        let (file, inode) = open().map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => "; `ip netns list` shows which there are",
                _ => "",
            };
            errno::io_failure(
                &error,
                &format!("open {shown} ({}){advice}", path.display()),
            )
        })?;
        Ok(Self {
            file,
            inode,
            foreign: name.is_some(),
            shown,
        })
    }

    /// The inode of the namespace's file: the same for everybody who looks at this namespace while it exists.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Does `work` inside the namespace. What it opens belongs there and stays so.
    pub fn within<T: Send>(
        &self,
        what: &str,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, Failure> {
        let result = match self.foreign {
            false => work(),
            // A namespace belongs to a thread: the thread that entered it ends, and takes nothing along.
            true => thread::scope(|scope| {
                scope
                    .spawn(|| {
                        move_into_link_name_space(
                            self.file.as_fd(),
                            Some(LinkNameSpaceType::Network),
                        )?;
                        work()
                    })
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("the thread inside died")))
            }),
        };
        result.map_err(|error| errno::io_failure(&error, &format!("{what} in {}", self.shown)))
    }
}
