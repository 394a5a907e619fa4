//! Compiled components on disk.
//!
//! Compiling costs nearly a millisecond for each KB, mapping compiled code a tenth of one: code is compiled once and kept. It is native
//! code, so whoever can write it runs with the host's rights: it is loaded only from a directory and a file that the host's own user owns
//! and nobody else can write, and only if its checksum is right.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::compile::{Apart, CompileError};
use super::engine::engine;
use super::limits::Limits;
use super::misfit;

const CHECKSUM: usize = 32;

/// A directory of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
    /// The program `op-dbus`, which compiles what others wrote.
    program: PathBuf,
}

impl Cache {
    /// A cache in `directory`, which is made when the first component is kept; without one, nothing is kept.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            // This very program; that stays what it is when a package is upgraded meanwhile.
            program: "/proc/self/exe".into(),
        }
    }

    /// The same in a program that is not `op-dbus`, which lies elsewhere.
    pub fn compiled_by(self, program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            ..self
        }
    }

    /// The component of these bytes, which are our own: from the cache, else compiled and, where possible, kept.
    ///
    /// # Errors
    /// When the bytes are no component that the engine takes. A cache that cannot be used is passed over.
    pub fn component(&self, wasm: &[u8], digest: &str) -> wasmtime::Result<Component> {
        if let Some(component) = self.known(digest) {
            return Ok(component);
        }
        if let Some(reason) = misfit::of_bytes(wasm) {
            return Err(wasmtime::Error::msg(reason));
        }
        let component = Component::new(engine(), wasm)?;
        self.keep(digest, &component.serialize()?);
        Ok(component)
    }

    /// The component of bytes that others wrote: from the cache, else compiled in a process apart and, where possible, kept.
    ///
    /// # Errors
    /// When the bytes are no component that the engine takes, or compiling them takes more than the limits allow.
    pub fn foreign(
        &self,
        wasm: &[u8],
        digest: &str,
        limits: &Limits,
    ) -> Result<Component, CompileError> {
        if let Some(component) = self.known(digest) {
            return Ok(component);
        }
        let program = &self.program;
        let code = Apart { program, limits }.compile(wasm)?;
        // SAFETY: the code is what the compiler of this program wrote, as another process; see `compile` for what that is worth.
        let component = unsafe { Component::deserialize(engine(), &code) };
        let component = component.map_err(|error| CompileError::Died(format!("{error:#}")))?;
        self.keep(digest, &code);
        Ok(component)
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        Some(directory.join(file_name(digest)))
    }

    fn known(&self, digest: &str) -> Option<Component> {
        load(&self.path(digest)?)
    }

    /// One that cannot be kept is compiled again the next time.
    fn keep(&self, digest: &str, code: &[u8]) {
        if let Some(path) = self.path(digest)
            && let Err(error) = keep(&path, code)
        {
            tracing::debug!("compiled code is not kept in {}: {error}", path.display());
        }
    }
}

/// Of the code and of the file's name: the code of one component is not that of another.
fn checksum(path: &Path, code: &[u8]) -> impl AsRef<[u8]> {
    let name = path.file_name().unwrap_or_default();
    Sha256::new()
        .chain_update(name.as_bytes())
        .chain_update(code)
        .finalize()
}

/// Names the component and everything that its code depends on: engine version, settings, processor.
fn file_name(digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine().precompile_compatibility_hash().hash(&mut hasher);
    format!("{digest}-{:016x}.cwasm", hasher.finish())
}

/// Whether this user alone can write what `meta` describes.
fn is_private(meta: &fs::Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
}

fn load(path: &Path) -> Option<Component> {
    let directory = fs::symlink_metadata(path.parent()?).ok()?;
    let file = fs::symlink_metadata(path).ok()?;
    if !is_private(&directory) || !is_private(&file) || !file.is_file() {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let (code, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if self::checksum(path, code).as_ref() != checksum {
        return None;
    }
    // SAFETY: the bytes are what `Component::serialize` made, as far as a checksum can tell, and nobody but this user, who could replace
    // this program as well, was able to write them.
    unsafe { Component::deserialize(engine(), code) }.ok()
}

fn keep(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(code)?;
    file.write_all(checksum(path, code).as_ref())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_component_is_compiled_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(directory.path().join("code")));
        cache.component(EMPTY, "abc").unwrap();
        let path = directory.path().join("code").join(file_name("abc"));
        assert!(load(&path).is_some());
    }

    #[test]
    fn the_code_of_one_component_is_not_taken_for_that_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(directory.path().into()));
        cache.component(EMPTY, "abc").unwrap();
        let (one, other) = (file_name("abc"), file_name("def"));
        fs::rename(directory.path().join(one), directory.path().join(&other)).unwrap();
        assert!(load(&directory.path().join(other)).is_none());
    }

    #[test]
    fn a_link_to_a_file_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(directory.path().into()));
        cache.component(EMPTY, "abc").unwrap();
        let path = directory.path().join(file_name("abc"));
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(load(&path).is_none());
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_loaded() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(directory.path().into()));
        cache.component(EMPTY, "abc").unwrap();
        let path = directory.path().join(file_name("abc"));
        let good = fs::read(&path).unwrap();
        for place in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(load(&path).is_none(), "byte {place} was changed");
        }
        fs::write(&path, &good).unwrap();
        assert!(load(&path).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(load(&path).is_none(), "others can write it");
        cache.component(EMPTY, "abc").unwrap();
        assert!(load(&path).is_some(), "it is made anew");
    }
}
