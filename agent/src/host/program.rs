//! Which program this is.

use crate::host::run_folder::utc_now;
use roadproof_perception::device::ComputeBackend;
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

/// Starts the program once more in its own place where burn would take another device than flex for what names none: an optimiser's memory
/// is read back onto burn's default device before it moves to the network's, and that default is a graphics card wherever one was built
/// in, whether it is there or not. Only an environment variable says otherwise, and only before the process begins is that safe to set.
///
/// # Errors
/// What the operating system says.
pub fn with_flex_by_default() -> std::io::Result<()> {
    const VARIABLE: &str = "BURN_DEVICE";
    let wanted = ComputeBackend::Flex.name();
    let found = std::env::var_os(VARIABLE);
    let others = ComputeBackend::ALL.iter().any(|backend| *backend != ComputeBackend::Flex && backend.is_built_in());
    if found.as_deref().map_or(!others, |found| found == wanted) {
        return Ok(());
    }
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1)).env(VARIABLE, wanted);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        if let Some(name) = std::env::args_os().next() {
            again.arg0(name);
        }
        Err(again.exec())
    }
    #[cfg(not(unix))]
    std::process::exit(again.status()?.code().unwrap_or(2))
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

/// The same with another value of an option that is in it.
#[must_use]
pub fn typed_command_with(option: &str, value: &str) -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    with_value(words, option, value)
}

fn with_value(words: impl Iterator<Item = String>, option: &str, value: &str) -> String {
    let (mut all, mut is_next) = (vec!["roadproof".to_owned()], false);
    for word in words {
        let joined = word.split_once('=').is_some_and(|(name, _)| name == option);
        all.push(match (is_next, joined) {
            (true, _) => quoted(value),
            (false, true) => format!("{option}={}", quoted(value)),
            (false, false) => quoted(&word),
        });
        is_next = word == option;
    }
    all.join(" ")
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
    fn a_command_is_told_with_another_value() {
        for typed in ["train --seeds 1,2 --out \"a b\"", "train --seeds=1,2 --out \"a b\""] {
            let words =
                typed.replace("\"a b\"", "a_b").split(' ').map(|word| word.replace("a_b", "a b")).collect::<Vec<_>>();
            let told = with_value(words.into_iter(), "--seeds", "2");
            assert_eq!(told, format!("roadproof {}", typed.replace("1,2", "2")));
        }
    }

    #[test]
    fn the_version_says_what_was_built_in() {
        let line = version_line();
        assert!(line.starts_with(VERSION) && line.contains("watch") == cfg!(feature = "watch"), "{line}");
        assert!(COMMIT.is_none_or(|commit| commit.len() >= 7 && line.contains(commit)), "{line}");
    }
}
