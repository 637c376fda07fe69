//! Settings with what each of them means and what it may be: the answer of `train --print-settings`.

use crate::train::settings::Settings;

/// Each setting with its meaning and what is allowed, made from the source by the test that keeps it true
/// (`tests/settings_reference.rs`).
const FIELDS: &str = include_str!("fields.txt");
/// Columns of a line, about.
const COLUMNS: usize = 100;

/// The settings as text that `--config` reads, with what is known of each of them above it.
#[must_use]
pub fn explained(settings: &Settings) -> String {
    let mut text =
        "// Settings of a training, each with its meaning and what is allowed. `roadproof train --config` reads this \
                    file;\n// what is left out of one keeps its default.\n"
            .to_owned();
    let mut path: Vec<String> = Vec::new();
    for line in settings.to_ron().lines().skip(1) {
        let indent = line.len() - line.trim_start().len();
        if let Some((name, _)) = line.trim_start().split_once(": ").filter(|_| indent > 0) {
            path.truncate(indent / 4 - 1);
            path.push(name.to_owned());
            for told in known_of(&path.join(".")) {
                text.push_str(&wrapped(told.trim(), indent));
            }
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What is known of a setting, a paragraph each.
fn known_of(name: &str) -> impl Iterator<Item = &'static str> {
    let name = name.to_owned();
    FIELDS.lines().skip_while(move |line| *line != name).skip(1).take_while(|line| line.starts_with(' '))
}

/// A paragraph as lines of a comment.
fn wrapped(text: &str, indent: usize) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && indent + 3 + line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push_str(&format!("{:indent$}// {line}\n", ""));
            line.clear();
        }
        line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
    }
    lines.push_str(&format!("{:indent$}// {line}\n", ""));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_as_they_were_with_a_comment_above_each() {
        let settings = Settings { seed: 3, ..Settings::default() }.hardened(false);
        let text = explained(&settings);
        assert_eq!(Settings::parse(&text, "s.ron".as_ref()).expect("settings"), settings);
        let lines: Vec<&str> = text.lines().collect();
        let fields =
            lines.iter().enumerate().filter(|(_, line)| line.contains(": ") && !line.trim_start().starts_with("//"));
        for (at, field) in fields {
            assert!(lines[at - 1].trim_start().starts_with("// "), "nothing is said of {field}");
        }
        assert!(text.contains("        // allowed: 0 to 1\n        gamma: "), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS + 20), "{text}");
    }
}
