//! What the operator chooses to grant.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use crate::gate::grant::Grant;

/// `--grant`.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// What the plugin asks for.
    Asked,
    /// Nothing.
    None,
    /// What a file says.
    File(PathBuf),
}

impl FromStr for Choice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "asked" => Self::Asked,
            "none" => Self::None,
            file => Self::File(file.into()),
        })
    }
}

/// What `plugin inspect` prints, with a grant for one plugin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pasted {
    plugins: BTreeMap<String, PastedPlugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PastedPlugin {
    grant: Grant,
}

impl Choice {
    /// The grant that was chosen.
    ///
    /// # Errors
    /// When the file cannot be read or says no grant, at its place; when what is asked for is no grant.
    pub fn grant(&self, asks: &anyhow::Result<Grant>) -> anyhow::Result<Grant> {
        match self {
            Self::Asked => asks
                .as_ref()
                .cloned()
                .map_err(|error| anyhow!("{error:#}; choose with --grant none or --grant FILE")),
            Self::None => Ok(Grant::default()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the grant {}", path.display()))?;
                read(&text).with_context(|| format!("the grant {}", path.display()))
            }
        }
    }
}

/// A grant alone (`[netlink]` …), or as the configuration has it (`[plugins.NAME.grant.netlink]` …).
fn read(text: &str) -> anyhow::Result<Grant> {
    let table: toml::Table = text.parse()?;
    if !table.contains_key("plugins") {
        return Ok(toml::from_str(text)?);
    }
    let pasted: Pasted = toml::from_str(text)?;
    let mut plugins = pasted.plugins.into_values();
    match (plugins.next(), plugins.next()) {
        (Some(plugin), None) => Ok(plugin.grant),
        _ => bail!("it must say a grant for one plugin"),
    }
}

/// The text with every line that says something moved in.
pub(super) fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_alone_or_as_it_is_shown() {
        let alone = read("[netlink]\nsee = [\"*\"]\n").unwrap();
        let pasted = read("[plugins.edge.grant.netlink]\nsee = [\"*\"]\n").unwrap();
        assert_eq!(alone, pasted);
        assert!(alone.netlink.is_some());
    }

    #[test]
    fn a_grant_that_is_misspelt_names_the_valid_options() {
        for text in [
            "[netlink]\nsea = []\n",
            "[plugins.edge.grant.netlink]\nsea = []\n",
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(
                error.contains("`see`") && error.contains("line 2"),
                "{error}"
            );
        }
        assert!(read("[plugins.a.grant]\n[plugins.b.grant]\n").is_err());
    }
}
