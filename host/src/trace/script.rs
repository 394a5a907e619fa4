//! A trace as it is played back: the calls into one plugin, each with what the plugin asked meanwhile.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::Value;

use super::line::{Asked, Call, End, Header, Line, VERSION};

/// The calls of a trace.
#[derive(Debug, Clone)]
pub struct Script {
    /// Of what it is.
    pub header: Header,
    /// In the order in which they began.
    pub scenes: Vec<Scene>,
}

/// A call into a plugin.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The call.
    pub call: Call,
    /// What the plugin asked of the host, in order.
    pub asked: Vec<Asked>,
    /// How it ended; absent where the recording ended before.
    pub end: Option<End>,
}

/// Why a file cannot be played back.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("the trace cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is none of a trace.
    #[error("line {line} of the trace is not one that `op-dbus apply --record` writes: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It was written by a later version.
    #[error("the trace is of version {0}, and this op-dbus plays back version {ours}", ours = VERSION)]
    Version(u32),
    /// There is no plugin of that name in it.
    #[error("the trace has no call into plugin {plugin:?}; it has calls into {}", .there.join(", "))]
    Plugin {
        /// The name that was asked for.
        plugin: String,
        /// Those that are there.
        there: Vec<String>,
    },
    /// Nothing happened.
    #[error("the trace holds no call into a plugin")]
    Empty,
}

impl Script {
    /// Reads a trace.
    ///
    /// # Errors
    /// Names the line that is none.
    pub fn read(source: impl BufRead) -> Result<Self, ScriptError> {
        let mut header = None;
        let mut scenes: Vec<Scene> = Vec::new();
        let mut places = BTreeMap::new();
        for (number, text) in source.lines().enumerate() {
            let wrong = |reason: String| ScriptError::Line {
                line: number + 1,
                reason,
            };
            let text = text?;
            if header.is_none() {
                let value: Value =
                    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                let version = value.get("trace").and_then(Value::as_u64);
                if let Some(other) = version.filter(|version| *version != u64::from(VERSION)) {
                    return Err(ScriptError::Version(other.try_into().unwrap_or(u32::MAX)));
                }
            }
            let line: Line =
                serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            let scene_of = |call: u64| {
                let place = places.get(&call).copied();
                place.ok_or_else(|| wrong(format!("it belongs to call {call}, which is not there")))
            };
            match line {
                Line::Header(first) if header.is_none() => header = Some(first),
                _ if header.is_none() => return Err(wrong("the first line is no header".into())),
                Line::Header(_) => return Err(wrong("a second header".into())),
                Line::Call(call) => {
                    places.insert(call.call, scenes.len());
                    scenes.push(Scene {
                        call,
                        asked: Vec::new(),
                        end: None,
                    });
                }
                Line::Asked(asked) => {
                    let place = scene_of(asked.within)?;
                    scenes[place].asked.push(asked);
                }
                Line::End(end) => {
                    let place = scene_of(end.of)?;
                    scenes[place].end = Some(end);
                }
            }
        }
        let header = header.ok_or(ScriptError::Empty)?;
        Ok(Self { header, scenes })
    }

    /// The plugins that were called, in order of appearance.
    pub fn plugins(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for scene in &self.scenes {
            if !names.contains(&scene.call.plugin) {
                names.push(scene.call.plugin.clone());
            }
        }
        names
    }

    /// The part of one plugin: of the only one there is, or of the one with this name.
    ///
    /// # Errors
    /// When there is none, or several and none of that name.
    pub fn part(&self, plugin: &str) -> Result<Vec<&Scene>, ScriptError> {
        let there = self.plugins();
        let name = match there.as_slice() {
            [] => return Err(ScriptError::Empty),
            [only] => only,
            several if several.iter().any(|name| name == plugin) => plugin,
            _ => {
                return Err(ScriptError::Plugin {
                    plugin: plugin.to_owned(),
                    there,
                });
            }
        };
        let scenes = self.scenes.iter();
        Ok(scenes.filter(|scene| scene.call.plugin == name).collect())
    }
}
