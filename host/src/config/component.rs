//! Where a plugin's component comes from, and what must be said together with that.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use super::PluginConfig;
use crate::state_file::nearest::{hint, nearest};
use crate::state_file::{Problem, Span};

/// The longest name that a plugin may have: it goes into names of files and into every line of the audit log.
pub const LONGEST_NAME: usize = 64;

/// Where a plugin's component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// `builtin:NAME`: part of the program.
    Builtin(String),
    /// A file, by its absolute path.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(name) = text.strip_prefix("builtin:") {
            return Ok(Self::Builtin(name.to_owned()));
        }
        if text.starts_with("oci:") {
            return Err(de::Error::custom(format!(
                "a registry is asked once, by `op-dbus plugin add {text}`; what is named here is the file that it puts down"
            )));
        }
        let path = PathBuf::from(&text);
        if path.is_absolute() {
            Ok(Self::File(path))
        } else {
            Err(de::Error::custom(format!(
                "{text:?} is neither an absolute path nor builtin:NAME"
            )))
        }
    }
}

/// Whether a plugin may be called so: `[a-z][a-z0-9-]*`, of at most [`LONGEST_NAME`] letters.
pub fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// What is wrong with the table of a plugin as a whole, if anything is; `place` is its name.
pub(super) fn problem(
    place: Span,
    name: &str,
    plugin: &PluginConfig,
    builtins: &[&str],
) -> Option<Problem> {
    let at = |message: String| Problem::at(place, message);
    match (&plugin.component, &plugin.digest) {
        (None, _) if !builtins.contains(&name) => {
            let help = match nearest(name, builtins) {
                Some(_) => hint("plugin", name, builtins),
                None => format!(
                    "built in are {}; any other needs `component` and `digest`, which `op-dbus plugin add FILE` writes",
                    builtins.join(", ")
                ),
            };
            Some(at(format!("there is no plugin {name:?}")).help(help))
        }
        (Some(_), _) if !is_name(name) => Some(at(format!(
            "{name:?} is no name for a plugin; begin it with one of a-z, and go on with a-z, 0-9 and -"
        ))),
        (Some(Component::Builtin(builtin)), _) if !builtins.contains(&builtin.as_str()) => Some(
            at(format!("there is no built-in plugin {builtin:?}")).help(hint(
                "built-in plugin",
                builtin,
                builtins,
            )),
        ),
        (Some(Component::File(path)), None) => Some(
            at(format!(
                "plugin {name} is a file, and has no `digest` to hold it against"
            ))
            .help(format!(
                "`op-dbus plugin inspect {}` prints it; write digest = \"sha256:…\"",
                path.display()
            )),
        ),
        (None | Some(Component::Builtin(_)), Some(_)) => Some(
            at(format!(
                "`digest` of plugin {name} pins a file, and its component is part of the program"
            ))
            .help("take the line out, or name the file with `component`"),
        ),
        (None | Some(Component::Builtin(_)), None) | (Some(Component::File(_)), Some(_)) => None,
    }
}
