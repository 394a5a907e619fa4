mod goldens;
mod limits;
mod places;
mod schemas;
mod secrets;

use super::*;
use crate::output::Style;

/// Loads a text as if it stood in a file of this name.
fn load_text(name: &str, text: &str) -> Result<StateFile, StateFileError> {
    let source = read::text(name.to_owned(), text.as_bytes())?;
    let format = format(Path::new(name), &source.text);
    parse(source, format)
}

/// What the operator sees of a file that cannot be used.
fn shown(name: &str, text: &str) -> String {
    load_text(name, text).unwrap_err().render(Style::PLAIN)
}

/// The section `net` of a state file in JSON that holds nothing else.
fn net(section: &str) -> Section {
    let text = format!("{{\"version\": 1, \"plugins\": {{\"net\":\n{section}}}}}");
    let file = load_text("state.json", &text).unwrap();
    file.section("net").unwrap().clone()
}
