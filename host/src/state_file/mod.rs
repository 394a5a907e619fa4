//! What the operator wrote, with the place of every value.
//!
//! # Layout
//! - [`load`] reads a state file, JSON or YAML, within limits, and checks its outermost keys.
//! - [`Section`]: one plugin's part as JSON text; it knows where each value stands, and which of them refer to secrets.
//! - [`schema`]: checks a section against a plugin's JSON Schema.
//! - [`Problems`]: what is wrong, shown with its line underlined.
//! - [`nearest`](mod@nearest): what somebody who misspelt a word may have meant.
//!
//! A state file is `{"version": 1, "plugins": {NAME: SECTION, …}, "probes": …}`; `probes` may be left out.

mod document;
mod error;
mod json;
pub mod nearest;
mod problem;
mod read;
pub mod schema;
mod section;
mod source;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use document::{DEEPEST, LARGEST_COUNT};
pub use error::StateFileError;
pub(crate) use problem::render_bare;
pub use problem::{MOST_SHOWN, Problem, Problems};
pub use read::LARGEST_FILE;
pub(crate) use read::text as read_text;
pub use section::{SecretPlace, Section};
pub use source::{Position, Source, Span};
pub use yaml::LARGEST_YAML;

use document::Document;

/// The outermost keys.
const KEYS: [&str; 3] = ["version", "plugins", "probes"];

/// A state file whose outermost keys are sound. What is inside the sections is for the plugins' schemas.
#[derive(Clone, Debug)]
pub struct StateFile {
    /// The file as it was read.
    pub source: Arc<Source>,
    /// Each plugin's name and section, in the order of the file.
    pub plugins: Vec<(String, Section)>,
    /// How to find out whether the host is healthy after a change.
    pub probes: Option<Section>,
}

/// Which of the two languages a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
}

/// Reads the state file at `path`; `-` is the standard input. `.json`, `.yaml` and `.yml` say what it is, otherwise a file that begins
/// with `{` or `[` is JSON.
///
/// # Errors
/// When the file cannot be read, is larger than [`LARGEST_FILE`], is neither JSON nor YAML, or has other outermost keys than a state
/// file.
pub fn load(path: &Path) -> Result<StateFile, StateFileError> {
    let source = read::read(path)?;
    let format = format(path, &source.text);
    parse(source, format)
}

/// Reads a state file from a JSON text that stands in another file, called `name`.
///
/// # Errors
/// As [`load`].
pub fn embedded(name: String, text: String) -> Result<StateFile, StateFileError> {
    parse(Source { name, text }, Format::Json)
}

fn format(path: &Path, text: &str) -> Format {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        _ if text.trim_start().starts_with(['{', '[']) => Format::Json,
        _ => Format::Yaml,
    }
}

fn parse(source: Source, format: Format) -> Result<StateFile, StateFileError> {
    let source = Arc::new(source);
    let wrong = |problem| StateFileError::wrong(source.clone(), problem);
    let document = document(&source, format).map_err(wrong)?;
    let Some(document) = document else {
        return Err(StateFileError::Empty {
            name: source.name.clone(),
        });
    };
    let problems = match shape(&Arc::new(document)) {
        Ok(file) => return Ok(file),
        Err(problems) => problems,
    };
    Err(StateFileError::Wrong {
        problems: Box::new(Problems::new(source.clone(), problems, 0)),
    })
}

/// Parses a text; `None` where YAML has nothing but comments.
fn document(source: &Arc<Source>, format: Format) -> Result<Option<Document>, Problem> {
    let builder = match format {
        Format::Json => Some(json::parse(&source.text)?),
        Format::Yaml => yaml::parse(&source.text)?,
    };
    Ok(builder.map(|builder| builder.finish(source.clone())))
}

fn shape(document: &Arc<Document>) -> Result<StateFile, Vec<Problem>> {
    let root = Document::ROOT;
    if !document.is_object(root) {
        return Err(vec![
            Problem::at(document.span(root), "a state file is an object")
                .help("begin with {\"version\": 1, \"plugins\": {…}}"),
        ]);
    }
    let mut problems = Vec::new();
    let mut version = None;
    let mut plugins = None;
    let mut probes = None;
    for (key, value) in document.entries(root) {
        let name = document.string(key).unwrap_or_default();
        match name.as_ref() {
            "version" => version = Some(value),
            "plugins" => plugins = Some(value),
            "probes" => probes = Some(Section::new(document.clone(), value)),
            _ => problems.push(
                Problem::at(document.span(key), format!("unknown key {name:?}"))
                    .help(nearest::hint("key", &name, &KEYS)),
            ),
        }
    }
    // What is missing is missing from the object: its first character stands for it.
    let start = document.span(root).start;
    let missing =
        |key: &str| Problem::at(Span::new(start, start + 1), format!("{key:?} is missing"));
    match version {
        None => problems.push(missing("version").help("add \"version\": 1")),
        Some(value) if document.json(value) != "1" => problems.push(
            Problem::at(
                document.span(value),
                "this version of state files is not known".to_owned(),
            )
            .help("write \"version\": 1, the only one so far"),
        ),
        Some(_) => {}
    }
    match plugins {
        None => problems.push(missing("plugins").help("add \"plugins\": {NAME: …}")),
        Some(value) if !document.is_object(value) => problems.push(
            Problem::at(document.span(value), "this must be an object")
                .help("write a section for each plugin, by the plugin's name"),
        ),
        Some(_) => {}
    }
    let Some(plugins) = plugins.filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    Ok(StateFile {
        source: document.source().clone(),
        plugins: document
            .entries(plugins)
            .map(|(key, value)| {
                let name = document.string(key).unwrap_or_default().into_owned();
                (name, Section::new(document.clone(), value))
            })
            .collect(),
        probes,
    })
}

impl StateFile {
    /// The whole file as JSON, as [`embedded`] reads it.
    pub fn json(&self) -> String {
        let name = |name: &str| serde_json::Value::from(name).to_string();
        let plugins: Vec<_> = self
            .plugins
            .iter()
            .map(|(plugin, section)| format!("{}:{}", name(plugin), section.json()))
            .collect();
        let mut json = format!("{{\"version\":1,\"plugins\":{{{}}}", plugins.join(","));
        if let Some(probes) = &self.probes {
            json.push_str(&format!(",\"probes\":{}", probes.json()));
        }
        json.push('}');
        json
    }

    /// The section of a plugin, if the file has one.
    pub fn section(&self, plugin: &str) -> Option<&Section> {
        let (_, section) = self.plugins.iter().find(|(name, _)| name == plugin)?;
        Some(section)
    }

    /// The sections for which there is no plugin among `known`.
    pub fn unknown_plugins(&self, known: &[&str]) -> Problems {
        let unknown = self
            .plugins
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, section)| {
                let place = section.name_place();
                Problem::at(place, format!("there is no plugin {name:?}"))
                    .help(nearest::hint("plugin", name, known))
            });
        Problems::new(self.source.clone(), unknown.collect(), 0)
    }
}
