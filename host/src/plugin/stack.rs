//! A trap as its reader needs it: what happened, and where in the guest, by the names that it was built with.

use wasmtime::WasmBacktrace;

use crate::output::escape::escape;

/// Why a guest stopped: the trap's own words, with what went along.
pub fn reason(error: &wasmtime::Error) -> String {
    // The stack is a link of the chain too, and is shown by itself.
    let mut words: Vec<String> = error
        .chain()
        .map(ToString::to_string)
        .filter(|words| !words.starts_with(BACKTRACE))
        .collect();
    words.dedup();
    escape(&words.join(": ")).into_owned()
}

/// How wasmtime's own picture of a stack begins.
const BACKTRACE: &str = "error while executing at wasm backtrace";

/// The functions of the guest that were being executed, the innermost first; empty where the host itself gave up. A name that a build has
/// thrown away is `<wasm function N>`.
pub fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let picture = trace.to_string();
    let mut frames: Vec<String> = Vec::new();
    for line in picture.lines().skip(1) {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            // With debug information the line of the source follows its function.
            if let Some(frame) = frames.last_mut() {
                frame.push_str(&format!(" at {}", escape(place)));
            }
        } else if let Some(name) = name_of(line) {
            frames.push(escape(&plain(name)).into_owned());
        }
    }
    frames
}

/// A name without the numbers that tell builds of a crate apart, as in `core[93da7c4ee29bf96d]::panicking::panic_fmt` (Rust's symbol
/// mangling, version 0).
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once(']') {
            Some((number, after))
                if number.len() >= 8 && number.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                rest = after;
            }
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain + rest
}

/// The function in a line such as `3: 0x1a2b - plugin.wasm!net::apply::apply`, or `- net::step::inlined` for what was inlined there.
fn name_of(line: &str) -> Option<&str> {
    let inlined = line.strip_prefix("- ");
    let (_, rest) = inlined
        .map(|name| ("", name))
        .or_else(|| line.split_once(": "))?;
    let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
    Some(name.split_once('!').map_or(name, |(_, function)| function))
}

/// The stack below the sentence that it explains, a line for each function. wasmtime keeps the innermost twenty.
pub fn picture(frames: &[String]) -> String {
    if frames.is_empty() {
        return String::new();
    }
    let lines = frames.iter().enumerate();
    let lines: String = lines
        .map(|(number, name)| format!("\n  {number:>3}  {name}"))
        .collect();
    format!("\nthe plugin's own stack, innermost first:{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_backtrace_is_its_function() {
        for (line, name) in [
            (
                "0: 0x1a2b - net.wasm!net::apply::apply",
                "net::apply::apply",
            ),
            (
                "12:   0x60 - <unknown>!<wasm function 7>",
                "<wasm function 7>",
            ),
            ("3: <unknown>!main", "main"),
            ("- net::step::inlined", "net::step::inlined"),
        ] {
            assert_eq!(name_of(line), Some(name), "{line}");
        }
        assert_eq!(name_of("note"), None);
        for (name, shown) in [
            (
                "core[93da7c4ee29bf96d]::panicking::panic_fmt",
                "core::panicking::panic_fmt",
            ),
            ("<[u8; 4]>::len", "<[u8; 4]>::len"),
            ("a[b", "a[b"),
        ] {
            assert_eq!(plain(name), shown);
        }
    }
}
