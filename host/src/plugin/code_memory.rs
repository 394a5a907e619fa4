//! Making compiled code executable where it lies.
//!
//! The compiled built-in plugins are part of the program's file. Wasmtime makes code executable by itself only in memory that it allocated,
//! so they would be copied first: megabytes of which a call touches a tenth. Left in place they are paged in as they are run.

use std::io;
use std::sync::OnceLock;

use wasmtime::CustomCodeMemory;

/// The alignment that code embedded in the program needs: a page of every processor that we build for but some builds of AArch64, for
/// which it is copied.
#[repr(C, align(4096))]
pub struct Paged<T: ?Sized>(pub T);

/// A file's content, aligned for [`Paged`]: `include_paged!(PATH)` is a `&'static [u8]`.
#[macro_export]
macro_rules! include_paged {
    ($path:expr) => {{
        static PAGED: &$crate::plugin::code_memory::Paged<[u8]> =
            &$crate::plugin::code_memory::Paged(*include_bytes!($path));
        &PAGED.0
    }};
}

/// A page's size, in bytes.
pub fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: a plain question.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(64 << 10)
    })
}

/// Changes the protection of code in place.
pub struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        page_size()
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        protect(start, length, libc::PROT_READ | libc::PROT_EXEC)
    }

    /// Nobody writes to code again: what is unpublished is about to be freed, or is part of the program.
    fn unpublish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        protect(start, length, libc::PROT_READ)
    }
}

fn protect(start: *const u8, length: usize, protection: libc::c_int) -> wasmtime::Result<()> {
    // SAFETY: wasmtime names whole pages that hold code of its own, or that of the program's static data which was handed to it.
    let result = unsafe { libc::mprotect(start.cast_mut().cast(), length, protection) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}
