//! Talk: what plugins log and what the host notes on its way, on standard error.

use std::fmt::Write;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::output::Style;
use crate::output::color::Paint;
use crate::{progress, timing};

struct Talk {
    most: Level,
    timings: bool,
    style: Style,
    spans: AtomicU64,
}

/// Says something on standard error. A terminal that went away is no reason to stop in the middle of a change, as `eprint!` would.
pub fn say(text: &str) {
    progress::clear();
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Begins to talk: warnings and errors; with one `-v` what is done as well, with two everything; with `timings` how long each phase took.
pub fn start(verbose: u8, timings: bool, style: Style) {
    let most = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    // Somebody who uses the library may talk already; then that stays.
    let _ = tracing::subscriber::set_global_default(Talk {
        most,
        timings,
        style,
        spans: AtomicU64::new(1),
    });
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Talk {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.target() == timing::TARGET {
            return self.timings;
        }
        *metadata.level() <= self.most
            && (metadata.target().starts_with("op_dbus") || metadata.target() == "plugin")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if event.metadata().target() == timing::TARGET {
            say(&format!("{}\n", message.0));
            return;
        }
        let (word, paint) = match *event.metadata().level() {
            Level::ERROR => ("error", Paint::Alarm),
            Level::WARN => ("warning", Paint::Modify),
            Level::INFO => ("info", Paint::Faint),
            _ => ("debug", Paint::Faint),
        };
        say(&format!(
            "{} {}\n",
            self.style.paint(paint, format_args!("{word}:")),
            message.0
        ));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
