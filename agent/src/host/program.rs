//! Which program this is.

use crate::host::run_folder::utc_now;
use std::sync::LazyLock;

/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where that is known.
pub const COMMIT: Option<&str> = option_env!("ROADPROOF_COMMIT");

/// Optional parts that were built in.
#[must_use]
pub fn features() -> Vec<&'static str> {
    let all = [("watch", cfg!(feature = "watch")), ("gamepad", cfg!(feature = "gamepad"))];
    all.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect()
}

/// Version, commit and optional parts in a line.
#[must_use]
pub fn version_line() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| {
        let commit = COMMIT.map(|commit| format!("commit {commit}, ")).unwrap_or_default();
        let built = match &features()[..] {
            [] => "headless".to_owned(),
            features => format!("with {}", features.join(", ")),
        };
        format!("{VERSION} ({commit}{built})")
    });
    &LINE
}

/// When the program was started, in UTC; the first call is the start, so `main` makes one.
#[must_use]
pub fn started() -> &'static str {
    static STARTED: LazyLock<String> = LazyLock::new(utc_now);
    &STARTED
}

/// The command that is running, as one would type it in a shell.
#[must_use]
pub fn typed_command() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("roadproof".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// An argument as one would type it in a shell, on one line whatever is in it.
#[must_use]
pub fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./,:=+@".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) { argument.to_owned() } else { format!("{argument:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_on_their_line() {
        assert_eq!(
            [quoted("a/b.ron"), quoted("a b"), quoted("a\nb"), quoted("")],
            ["a/b.ron", "\"a b\"", "\"a\\nb\"", "\"\""]
        );
    }

    #[test]
    fn the_version_says_what_was_built_in() {
        let line = version_line();
        assert!(line.starts_with(VERSION) && line.contains("watch") == cfg!(feature = "watch"), "{line}");
        assert!(COMMIT.is_none_or(|commit| commit.len() >= 7 && line.contains(commit)), "{line}");
    }
}
