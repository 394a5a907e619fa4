//! Signatures as they are found.
//!
//! Beside a file `X.wasm` lie `X.wasm.minisig` or, for more than one, `X.wasm.NAME.minisig`; `X.wasm.sig`, `X.wasm.bundle` and
//! `X.wasm.sigstore.json` of cosign, likewise; and of a component from a registry its manifest and the signatures over that.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// No more signatures than this are looked at.
pub const MOST: usize = 64;
/// No longer one is read, in bytes: a Sigstore bundle with all that belongs to it has ten thousand.
pub const LONGEST: u64 = 256 << 10;

const MINISIGN: &str = ".minisig";
/// Endings that cosign's own examples use.
const COSIGN: [&str; 3] = [".sig", ".bundle", ".sigstore.json"];
const MANIFEST: &str = ".manifest.json";
const SIMPLE_SIGNING: &str = ".simplesigning.json";

/// A payload of cosign's simple signing, and the signature over it in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimpleSigning {
    /// What was signed.
    pub payload: String,
    /// The signature.
    pub signature: String,
}

/// What speaks for a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Texts of minisign's signatures.
    pub minisign: Vec<String>,
    /// cosign's: base64, or a bundle in JSON.
    pub cosign: Vec<String>,
    /// The manifest by which a registry names the component.
    pub manifest: Option<Vec<u8>>,
    /// Signatures over the manifest.
    pub simple_signing: Vec<SimpleSigning>,
}

impl Evidence {
    /// What lies beside a file.
    ///
    /// # Errors
    /// When the directory or one of the files cannot be read.
    pub fn beside(component: &Path) -> io::Result<Self> {
        let mut evidence = Self::default();
        for path in files_beside(component)? {
            let name = path.to_string_lossy().into_owned();
            if name.ends_with(MINISIGN) {
                evidence.minisign.push(text(&path)?);
            } else if name.ends_with(MANIFEST) {
                evidence.manifest = Some(text(&path)?.into_bytes());
            } else if name.ends_with(SIMPLE_SIGNING) {
                let found = serde_json::from_str(&text(&path)?)?;
                evidence.simple_signing.push(found);
            } else if COSIGN.iter().any(|ending| name.ends_with(ending)) {
                evidence.cosign.push(text(&path)?);
            }
        }
        Ok(evidence)
    }

    /// The same as files to lie beside a component: what to append to its name, and the content.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for (at, text) in self.minisign.iter().enumerate() {
            files.push((format!(".{at}{MINISIGN}"), text.clone().into_bytes()));
        }
        for (at, text) in self.cosign.iter().enumerate() {
            // A bundle says itself what it is.
            let ending = match text.trim_start().starts_with('{') {
                true => COSIGN[2],
                false => COSIGN[0],
            };
            files.push((format!(".{at}{ending}"), text.clone().into_bytes()));
        }
        for (at, signed) in self.simple_signing.iter().enumerate() {
            let json = serde_json::to_vec(signed).expect("two strings");
            files.push((format!(".{at}{SIMPLE_SIGNING}"), json));
        }
        files.extend(
            self.manifest
                .iter()
                .map(|bytes| (MANIFEST.to_owned(), bytes.clone())),
        );
        files
    }
}

/// The files whose names are that of the component and something more, sorted.
///
/// # Errors
/// When the directory cannot be read.
pub fn files_beside(component: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = component.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let directory = match component.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let other = entry.file_name();
        let more = other.to_str().and_then(|other| other.strip_prefix(name));
        if more.is_some_and(|more| more.starts_with('.')) {
            found.push(entry.path());
        }
    }
    found.sort();
    found.truncate(MOST);
    Ok(found)
}

fn text(path: &Path) -> io::Result<String> {
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() || meta.len() > LONGEST {
        return Err(failed(io::Error::other(format!(
            "no file of at most {} KiB",
            LONGEST >> 10
        ))));
    }
    let mut text = String::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}
