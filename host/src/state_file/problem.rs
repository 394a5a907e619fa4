//! What is wrong in a file, and how it is shown to a person.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::{Source, Span};
use crate::output::Style;
use crate::output::color::Paint;
use crate::output::escape::{escape, escape_char};

/// No more problems than this are shown; the others are counted.
pub const MOST_SHOWN: usize = 20;

/// How many characters of a long line are shown before the place in question.
const BEFORE: usize = 40;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file, if it has a place there.
    pub span: Option<Span>,
    /// JSON Pointer (RFC 6901) into the section, where the problem is in one.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    /// At a place of the file.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            path: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The problems of a file, in the order of their places. `Display` gives one line for each.
#[derive(Debug)]
pub struct Problems {
    source: Arc<Source>,
    problems: Vec<Problem>,
    uncounted: usize,
}

impl Problems {
    /// Problems of `source`, of which there are `more` than those given.
    pub fn new(source: Arc<Source>, mut problems: Vec<Problem>, more: usize) -> Self {
        problems.sort_by_key(|problem| problem.span.map_or(usize::MAX, |span| span.start));
        let uncounted = more + problems.len().saturating_sub(MOST_SHOWN);
        problems.truncate(MOST_SHOWN);
        Self {
            source,
            problems,
            uncounted,
        }
    }

    /// Those that are shown, at most [`MOST_SHOWN`].
    pub fn shown(&self) -> &[Problem] {
        &self.problems
    }

    /// How many there are besides.
    pub fn more(&self) -> usize {
        self.uncounted
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// For a person: each with its place, its line underlined and the way out. Ends with a line break.
    pub fn render(&self, style: Style) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&render(&self.source, problem, style));
            text.push('\n');
        }
        if self.uncounted > 0 {
            text.push_str(&render_bare(
                &format!("{} more errors", self.uncounted),
                style,
            ));
        }
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "{}", escape(&self.source.name))?;
            if let Some(span) = problem.span {
                let at = self.source.position(span.start);
                write!(out, ":{}:{}", at.line, at.column)?;
            }
            write!(out, ": {}", escape(&problem.message))?;
            if let Some(help) = &problem.help {
                write!(out, " ({})", escape(help))?;
            }
        }
        if self.uncounted > 0 {
            write!(out, "\n{} more errors", self.uncounted)?;
        }
        Ok(())
    }
}

/// An error without a place. Ends with a line break.
pub(crate) fn render_bare(message: &str, style: Style) -> String {
    let title = Level::ERROR.primary_title(message);
    renderer(style).render(&[Group::with_title(title)]) + "\n"
}

fn renderer(style: Style) -> Renderer {
    let renderer = if style.color {
        Renderer::styled().hyperlink(false)
    } else {
        Renderer::plain()
    };
    renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(style.width)
}

fn render(source: &Source, problem: &Problem, style: Style) -> String {
    let title = Level::ERROR.primary_title(escape(&problem.message).into_owned());
    let mut group = Group::with_title(title);
    let mut place = escape(&source.name).into_owned();
    let mut indent = 1;
    if let Some(span) = problem.span {
        let at = source.position(span.start);
        place.push_str(&format!(":{}:{}", at.line, at.column));
        indent = at.line.to_string().len();
        let line = Excerpt::of(source, span, style.width);
        let mark = AnnotationKind::Primary.span(line.mark.range());
        let snippet = Snippet::source(line.text).line_start(at.line);
        group = group.element(snippet.annotation(mark));
    } else if !problem.path.is_empty() {
        place.push_str(&format!(" {}", escape(&problem.path)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(escape(help).into_owned()));
    }
    // The renderer would count the column in the excerpt; the place is said here instead, below the title.
    let text = renderer(style).render(&[group]);
    let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let arrow = style.paint(Paint::Faint, "-->");
    let space = " ".repeat(indent);
    format!("{title}\n{space}{arrow} {place}\n{rest}\n")
}

/// The part of a line around a place, made harmless, and where the place is in it.
struct Excerpt {
    text: String,
    mark: Span,
}

impl Excerpt {
    fn of(source: &Source, span: Span, width: usize) -> Self {
        let line = source.line(span.start);
        // The place may be the line break itself, as where a file ends too early.
        let start = source
            .text
            .floor_char_boundary(span.start.clamp(line.start, line.end));
        let end = span.end.clamp(start, line.end);
        let before = &source.text[line.start..start];
        let room = width.saturating_sub(12).max(BEFORE + 20);

        let from = match before.char_indices().rev().nth(BEFORE - 1) {
            Some((at, _)) if source.text[line.clone()].chars().take(room + 1).count() > room => at,
            _ => 0,
        };
        let mut text = String::new();
        if from > 0 {
            text.push_str("... ");
        }
        for character in before[from..].chars() {
            push(&mut text, character);
        }
        let mut mark = Span::new(text.len(), text.len());
        for (count, (at, character)) in source.text[start..line.end].char_indices().enumerate() {
            if count + BEFORE > room {
                text.push_str(" ...");
                break;
            }
            push(&mut text, character);
            if start + at < end {
                mark.end = text.len();
            }
        }
        Self { text, mark }
    }
}

/// Tabs stay: the renderer widens them.
fn push(text: &mut String, character: char) {
    if character == '\t' {
        text.push(character);
    } else {
        escape_char(text, character);
    }
}
