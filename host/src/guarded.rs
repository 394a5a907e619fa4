//! Files that decide what the program does: nobody but root and its own user may be able to write them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Whether nobody but root and this process's user can write what `meta` describes.
pub fn is_guarded(meta: &Metadata) -> bool {
    let own = rustix::process::geteuid().as_raw();
    meta.mode() & 0o022 == 0 && (meta.uid() == own || meta.uid() == 0)
}
