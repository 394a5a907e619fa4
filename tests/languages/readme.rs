//! Commands in Markdown.

/// The commands of the blocks fenced as `sh`, one a line, without their comments. A line that ends in a backslash goes on in the next.
pub fn commands(markdown: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_shell = false;
    let mut goes_on = false;
    for line in markdown.lines() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            is_shell = !is_shell && fence.trim() == "sh";
            continue;
        }
        let text = line.split("  # ").next().unwrap_or_default().trim_end();
        if !is_shell || text.trim_start().starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let (text, more) = match text.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (text, false),
        };
        match commands.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(text.trim_start()),
            None => commands.push(text.to_owned()),
        }
        goes_on = more;
    }
    commands
}

#[test]
fn commands_are_found_without_comments_and_other_languages() {
    let text = "```yaml\nno: 1\n```\nwords\n```sh\n# alone\nmake          # builds\nop-dbus \\\n    query\n\n```\n```console\n$ no\n```\n";
    assert_eq!(commands(text), ["make", "op-dbus query"]);
}
