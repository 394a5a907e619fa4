//! `op-dbus-sdk reference`: the contract as pages to read, made from the comments in `wit/`.
//!
//! # Layout
//! - `page`: one interface, or the worlds, as Markdown. `types`: types in the contract's own notation, with links.

mod page;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wit_bindgen_core::wit_parser::Resolve;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Reference {
    /// Directory with the contract
    #[arg(long, value_name = "DIR", default_value = "wit")]
    wit: PathBuf,
    /// Directory to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Reference {
    /// Writes the pages.
    ///
    /// # Errors
    /// The contract cannot be read, or a page not be written.
    pub fn run(&self) -> Result<()> {
        fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        for (name, text) in pages(&self.wit)? {
            let path = self.out.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// All pages: file names and texts.
fn pages(wit: &Path) -> Result<Vec<(String, String)>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(wit)
        .with_context(|| format!("cannot read the contract in {}", wit.display()))?;
    let interfaces = &resolve.packages[package].interfaces;
    let mut pages: Vec<_> = interfaces
        .iter()
        .map(|(name, id)| (format!("{name}.md"), page::interface(&resolve, *id)))
        .collect();
    pages.push(("README.md".into(), page::contents(&resolve, package)));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = env!("CARGO_MANIFEST_DIR");

    fn contract() -> Vec<(String, String)> {
        pages(&Path::new(HERE).join("../../wit")).unwrap()
    }

    #[test]
    fn the_pages_are_those_of_the_contract_as_it_is() {
        for (name, text) in contract() {
            let path = format!("{HERE}/../reference/{name}");
            let there = fs::read_to_string(path).unwrap_or_default();
            assert!(
                there == text,
                "sdk/reference/{name} is stale: cargo xtask reference"
            );
        }
    }

    #[test]
    fn every_link_leads_to_a_heading() {
        let pages = contract();
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
