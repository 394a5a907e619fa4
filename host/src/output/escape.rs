//! Makes a text harmless: nothing that a plugin, a device or a file says may move the cursor, change colours or fake a line.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that does not simply stand on its line written out, as `\n` or `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        escape_char(&mut safe, character);
    }
    Cow::Owned(safe)
}

/// Appends a character, written out where it is harmful.
pub fn escape_char(safe: &mut String, character: char) {
    match character {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        _ if is_harmful(character) => {
            write!(safe, "\\u{{{:x}}}", character as u32).expect("a String takes any text");
        }
        _ => safe.push(character),
    }
}

/// Control characters, line separators, and what changes the direction of a text or has no width (Unicode TR36 §3.5).
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_out_what_could_fake_a_line_or_a_colour() {
        assert_eq!(
            escape("a\u{1b}[31mb\nc\0d\u{9b}1m\u{202e}e\u{2028}f\tg"),
            "a\\u{1b}[31mb\\nc\\u{0}d\\u{9b}1m\\u{202e}e\\u{2028}f\\tg"
        );
    }

    #[test]
    fn leaves_ordinary_text_alone() {
        for text in ["vmbr0", "Büro-WLAN", "ネットワーク", "a b\\n"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }
}
