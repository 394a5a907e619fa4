//! Whether to use colour, and the few styles there are.

use std::env;
use std::fmt;
use std::io::IsTerminal;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// How wide a page is where there is no terminal to ask, in columns.
const PLAIN_WIDTH: usize = 100;

/// The option `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
    #[default]
    Auto,
    /// Wherever the output goes.
    Always,
    /// Nowhere.
    Never,
}

/// How to write to one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colour.
    pub color: bool,
    /// How many columns there are.
    pub width: usize,
}

impl Style {
    /// Without colour, and as wide as a page.
    pub const PLAIN: Self = Self {
        color: false,
        width: PLAIN_WIDTH,
    };

    /// For an output such as the standard one.
    pub fn of(choice: ColorChoice, output: impl AsFd) -> Self {
        let is_terminal = output.as_fd().is_terminal();
        let variable = |name| env::var(name).ok();
        Self {
            color: wants_color(choice, is_terminal, variable),
            width: if is_terminal {
                columns(output)
            } else {
                PLAIN_WIDTH
            },
        }
    }

    /// A text in a colour. The text must have been escaped.
    pub fn paint(self, paint: Paint, text: impl fmt::Display) -> String {
        match paint {
            _ if !self.color => text.to_string(),
            Paint::Create => format!("\x1b[32m{text}\x1b[0m"),
            Paint::Modify => format!("\x1b[33m{text}\x1b[0m"),
            Paint::Delete => format!("\x1b[31m{text}\x1b[0m"),
            Paint::Alarm => format!("\x1b[1;31m{text}\x1b[0m"),
            Paint::Heading => format!("\x1b[1m{text}\x1b[0m"),
            Paint::Faint => format!("\x1b[2m{text}\x1b[0m"),
        }
    }
}

/// What a colour stands for. It never stands alone: a sign or a word says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Something comes into being; something succeeded.
    Create,
    /// Something changes.
    Modify,
    /// Something ceases to be.
    Delete,
    /// Something failed, or interrupts traffic.
    Alarm,
    /// What the lines below are about.
    Heading,
    /// Less important.
    Faint,
}

/// See <https://no-color.org>: set and not empty, whatever its value.
fn wants_color(
    choice: ColorChoice,
    is_terminal: bool,
    variable: impl Fn(&'static str) -> Option<String>,
) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            is_terminal
                && variable("NO_COLOR").is_none_or(|value| value.is_empty())
                && variable("TERM").is_none_or(|value| value != "dumb")
        }
    }
}

/// Never so narrow that nothing can be said.
fn columns(terminal: impl AsFd) -> usize {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the descriptor is open, and the kernel writes a `winsize` (ioctl_tty(2)).
    let answer = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCGWINSZ,
            size.as_mut_ptr(),
        )
    };
    // SAFETY: all zeros are a `winsize` as well.
    match unsafe { size.assume_init() }.ws_col {
        width if answer == 0 && width > 0 => usize::from(width).max(40),
        _ => PLAIN_WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(is_terminal: bool, set: Option<(&'static str, &'static str)>) -> bool {
        wants_color(ColorChoice::Auto, is_terminal, |name| {
            set.filter(|(set, _)| *set == name)
                .map(|(_, value)| value.to_owned())
        })
    }

    #[test]
    fn colours_a_terminal_only_and_respects_no_color() {
        assert!(auto(true, None));
        assert!(auto(true, Some(("NO_COLOR", ""))));
        assert!(!auto(true, Some(("NO_COLOR", "0"))));
        assert!(!auto(true, Some(("TERM", "dumb"))));
        assert!(!auto(false, None));
    }

    #[test]
    fn the_option_overrides_everything() {
        let no_color = |name| (name == "NO_COLOR").then(|| "1".to_owned());
        assert!(wants_color(ColorChoice::Always, false, no_color));
        assert!(!wants_color(ColorChoice::Never, true, |_| None));
    }

    #[test]
    fn a_plain_style_adds_nothing() {
        assert_eq!(Style::PLAIN.paint(Paint::Alarm, "x"), "x");
    }
}
