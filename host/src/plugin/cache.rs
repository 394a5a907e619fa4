//! Compiled components on disk.
//!
//! Compiling costs nearly a millisecond for each KB, mapping compiled code a tenth of one: code is compiled once and kept. It is native
//! code, so whoever can write it runs with the host's rights: it is loaded only from a directory and a file that the host's own user owns
//! and nobody else can write, and only if its checksum is right.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::engine::engine;
use super::misfit;

const CHECKSUM: usize = 32;

/// A directory of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    /// A cache in `directory`, which is made when the first component is kept; without one, nothing is kept.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// The component of these bytes: from the cache, else compiled and, where possible, kept.
    ///
    /// # Errors
    /// When the bytes are no component that the engine takes. A cache that cannot be used is passed over.
    pub fn component(&self, wasm: &[u8], digest: &str) -> wasmtime::Result<Component> {
        let path = self
            .directory
            .as_ref()
            .map(|directory| directory.join(file_name(digest)));
        if let Some(path) = &path
            && let Some(component) = load(path)
        {
            return Ok(component);
        }
        if let Some(reason) = misfit::of_bytes(wasm) {
            return Err(wasmtime::Error::msg(reason));
        }
        let component = Component::new(engine(), wasm)?;
        if let Some(path) = &path
            && let Err(error) = keep(path, &component.serialize()?)
        {
            tracing::debug!("compiled code is not kept in {}: {error}", path.display());
        }
        Ok(component)
    }
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
    if Sha256::digest(code).as_slice() != checksum {
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
    file.write_all(&Sha256::digest(code))?;
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
