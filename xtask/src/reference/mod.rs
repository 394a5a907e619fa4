//! `cargo xtask reference`: the contract as pages to read, `sdk/reference/`, made from the comments in `wit/`.
//!
//! # Layout
//! - `page`: one interface, or the worlds, as Markdown. `types`: types in the contract's own notation, with links.

mod page;
mod types;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use wit_parser::{PackageId, Resolve};

use crate::command::workspace;

/// Writes the pages.
///
/// # Errors
/// The contract cannot be read, or a page not be written.
pub fn run() -> Result<()> {
    let directory = directory();
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    for (name, text) in pages()? {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn directory() -> PathBuf {
    workspace().join("sdk/reference")
}

/// All pages: file names and texts.
fn pages() -> Result<Vec<(String, String)>> {
    let (resolve, package) = contract()?;
    let interfaces = &resolve.packages[package].interfaces;
    let mut pages: Vec<_> = interfaces
        .iter()
        .map(|(name, id)| (format!("{name}.md"), page::interface(&resolve, *id)))
        .collect();
    pages.push(("README.md".into(), page::contents(&resolve, package)));
    Ok(pages)
}

fn contract() -> Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    let directory = workspace().join("wit");
    let (package, _) = resolve
        .push_dir(&directory)
        .with_context(|| format!("cannot read the contract in {}", directory.display()))?;
    Ok((resolve, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_those_of_the_contract_as_it_is() {
        for (name, text) in pages().unwrap() {
            let there = fs::read_to_string(directory().join(&name)).unwrap_or_default();
            assert!(
                there == text,
                "sdk/reference/{name} is stale: cargo xtask reference"
            );
        }
    }

    #[test]
    fn every_link_leads_to_a_heading() {
        let pages = pages().unwrap();
        for (name, text) in &pages {
            for link in text.split("](").skip(1) {
                let link = link.split(')').next().unwrap_or_default();
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                if file.starts_with("..") {
                    continue;
                }
                let file = if file.is_empty() { name } else { file };
                let page = pages.iter().find(|(name, _)| name == file);
                let (_, page) = page.unwrap_or_else(|| panic!("{name}: {link} leads to no page"));
                let id = format!("<a id=\"{anchor}\">");
                assert!(
                    anchor.is_empty() || page.contains(&id),
                    "{name}: {link} leads nowhere"
                );
            }
        }
    }
}
