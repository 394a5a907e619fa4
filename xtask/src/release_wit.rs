//! `cargo xtask release-wit`: freezes the contract in `wit/` as the version that it says it is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{output, workspace};

/// What comes before the version in each file.
const PACKAGE: &str = "package op-dbus:plugin@";

/// Copies the contract to `wit/released/VERSION` and notes the files' digests in `wit/released/SHA256SUMS`.
///
/// # Errors
/// The version was released already, the files disagree about it, or one cannot be read or written.
pub fn run() -> Result<()> {
    let version = release(&workspace().join("wit"))?;
    eprintln!(
        "wit/released/{version}: from now on plugins may be built for it, and nothing in it may change"
    );
    Ok(())
}

fn release(wit: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(wit)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("cannot read {}", wit.display()))?;
    files.retain(|path| path.extension().is_some_and(|end| end == "wit"));
    files.sort();
    let mut versions = Vec::new();
    for path in &files {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        versions.extend(version(&text).map(str::to_owned));
    }
    versions.sort();
    versions.dedup();
    ensure!(
        versions.len() == 1,
        "the files of {} must name one version of the package: they name {versions:?}",
        wit.display()
    );
    let version = versions.remove(0);
    let released = wit.join("released");
    let place = released.join(&version);
    // Refused before anything is written, also where somebody else has just made it.
    fs::create_dir(&place).with_context(|| {
        format!(
            "{} cannot be made: a version is released once; give the package in {} a new one",
            place.display(),
            wit.display()
        )
    })?;
    let mut names = Vec::new();
    for path in &files {
        let name = path.file_name().context("a file has a name")?;
        let copy = place.join(name);
        fs::copy(path, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        names.push(Path::new(&version).join(name));
    }
    let mut digests = Command::new("sha256sum");
    let digests = output(digests.current_dir(&released).args(names))?;
    let sums = released.join("SHA256SUMS");
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&sums)
        .and_then(|mut file| writeln!(file, "{}", digests.trim_end()))
        .with_context(|| format!("cannot write {}", sums.display()))?;
    Ok(version)
}

/// The version of the package that a file belongs to, where it says so.
fn version(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(PACKAGE)?.strip_suffix(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_released_once_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let wit = directory.path();
        fs::create_dir(wit.join("released")).unwrap();
        fs::write(wit.join("released/SHA256SUMS"), "0 0.1.0/state.wit\n").unwrap();
        fs::write(wit.join("a.wit"), "package op-dbus:plugin@1.2.3;\n").unwrap();
        fs::write(wit.join("b.wit"), "interface b {}\n").unwrap();
        assert_eq!(release(wit).unwrap(), "1.2.3");
        let frozen = fs::read_to_string(wit.join("released/1.2.3/b.wit")).unwrap();
        assert_eq!(frozen, "interface b {}\n");
        let sums = fs::read_to_string(wit.join("released/SHA256SUMS")).unwrap();
        let lines: Vec<&str> = sums.lines().collect();
        assert_eq!(lines.len(), 3, "{sums}");
        assert!(lines[1].ends_with("  1.2.3/a.wit"), "{sums}");

        let again = release(wit).unwrap_err();
        assert!(
            format!("{again:#}").contains("give the package"),
            "{again:#}"
        );
        assert_eq!(
            fs::read_to_string(wit.join("released/SHA256SUMS")).unwrap(),
            sums
        );

        fs::write(wit.join("b.wit"), "package op-dbus:plugin@1.2.4;\n").unwrap();
        let torn = release(wit).unwrap_err().to_string();
        assert!(torn.contains("\"1.2.3\", \"1.2.4\""), "{torn}");
    }
}
