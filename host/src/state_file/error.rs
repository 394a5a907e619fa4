//! Why a state file cannot be used.

use std::io;
use std::sync::Arc;

use super::problem::Problems;
use super::read::LARGEST_FILE;
use crate::output::escape::escape;

/// Why a state file cannot be used. Its `Display` is one paragraph without colour; [`StateFileError::render`] shows the place.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The system refused.
    #[error("{}: {cause}", escape(name))]
    Read {
        /// The file.
        name: String,
        /// The system's own words.
        cause: io::Error,
    },
    /// A directory was named.
    #[error("{}: this is a directory; name the state file in it", escape(name))]
    Directory {
        /// The directory.
        name: String,
    },
    /// A FIFO was named, and nobody writes to it.
    #[error("{}: this is a FIFO, and nobody has written to it", escape(name))]
    Unwritten {
        /// The FIFO.
        name: String,
    },
    /// The file is larger than [`LARGEST_FILE`], or does not end.
    #[error("{}: larger than {} MiB, the largest state file that is read", escape(name), LARGEST_FILE >> 20)]
    TooLarge {
        /// The file.
        name: String,
    },
    /// There is nothing in the file.
    #[error(
        "{}: empty; the smallest state file is {{\"version\": 1, \"plugins\": {{}}}}",
        escape(name)
    )]
    Empty {
        /// The file.
        name: String,
    },
    /// The file is not UTF-8.
    #[error("{}:{line}: not UTF-8 (byte {byte:#04x}); {hint}", escape(name))]
    NotText {
        /// The file.
        name: String,
        /// The line of the first byte that is wrong.
        line: usize,
        /// That byte.
        byte: u8,
        /// The way out.
        hint: &'static str,
    },
    /// The text is no state file.
    #[error("{problems}")]
    Wrong {
        /// What is wrong, at which places.
        problems: Box<Problems>,
    },
}

impl StateFileError {
    /// For a person: with the lines in question where there are any. Ends with a line break.
    pub fn render(&self, style: crate::output::Style) -> String {
        match self {
            Self::Wrong { problems } => problems.render(style),
            other => super::problem::render_bare(&other.to_string(), style),
        }
    }

    pub(super) fn wrong(source: Arc<super::Source>, problem: super::Problem) -> Self {
        Self::Wrong {
            problems: Box::new(Problems::new(source, vec![problem], 0)),
        }
    }
}
