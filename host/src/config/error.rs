//! Why a configuration cannot be used.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::output::Style;
use crate::output::escape::escape;
use crate::state_file::nearest::nearest;
use crate::state_file::{Problem, Problems, Source, Span, StateFileError};

/// Why a configuration cannot be used. Its `Display` is one paragraph without colour; [`ConfigError::render`] shows the place.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The system refused.
    #[error("the configuration {path} cannot be read: {cause}", path = escape(&path.display().to_string()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// Somebody else could write it, and so grant a plugin whatever they please.
    #[error(
        "the configuration {path} says what plugins may do, and others than root and you can write to it; chown it, and chmod 644 it",
        path = escape(&.0.display().to_string())
    )]
    Exposed(PathBuf),
    /// It is no text.
    #[error("the configuration cannot be used: {0}")]
    NoText(StateFileError),
    /// What it says is wrong.
    #[error("{0}")]
    Wrong(Box<Problems>),
}

impl ConfigError {
    /// For a person: with the lines in question where there are any. Ends with a line break.
    pub fn render(&self, style: Style) -> String {
        match self {
            Self::Wrong(problems) => problems.render(style),
            other => crate::state_file::render_bare(&other.to_string(), style),
        }
    }

    pub(super) fn wrong(source: &Arc<Source>, problems: Vec<Problem>) -> Self {
        Self::Wrong(Box::new(Problems::new(source.clone(), problems, 0)))
    }
}

/// What the parser found, at its place.
pub(super) fn problem(error: &toml::de::Error) -> Problem {
    let message = error.message();
    let span = error.span().map(|span| Span::new(span.start, span.end));
    let help = meant(message).map(|word| format!("did you mean {word:?}?"));
    Problem {
        span,
        path: String::new(),
        message: message.to_owned(),
        help,
    }
}

/// serde names an unknown field or variant first and then all that are valid, each in backticks: the valid one that was probably meant.
fn meant(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let word = quoted.next()?;
    nearest(word, &quoted.collect::<Vec<_>>())
}
