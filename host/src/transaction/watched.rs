//! Waiting for a descriptor of our own.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// A descriptor whose readiness can be waited for. To be called within a tokio runtime.
///
/// # Errors
/// When the kernel cannot watch it.
pub fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd owns its descriptor and gives the same one until it is dropped.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
