//! RON that people write and the program keeps: settings and drivers. Every mistake is reported with file, line and column.

use roadproof_sim::mistake::{Mistake, all_mistakes};
use roadproof_sim::text;
use ron::extensions::Extensions;
use ron::ser::PrettyConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A file that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum RonError {
    /// It cannot be read.
    #[error("cannot read the file: {cause}: {path:?}")]
    Read {
        /// What the system said.
        cause: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// Its text says something else.
    #[error("{}", in_lines(mistakes, path))]
    Syntax {
        /// All that is wrong, in the order of their places, at least one.
        mistakes: Vec<Mistake>,
        /// The file.
        path: PathBuf,
    },
}

/// Each mistake in a line of its own, with its place.
fn in_lines(mistakes: &[Mistake], path: &Path) -> String {
    let path = path.display();
    let told = mistakes.iter().map(|Mistake { message, line, column }| format!("{path}:{line}:{column}: {message}"));
    told.collect::<Vec<_>>().join("\n")
}

/// Reads a file.
///
/// # Errors
/// [`RonError`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, RonError> {
    let text = text::read(path).map_err(|cause| RonError::Read { cause, path: path.to_owned() })?;
    parse(&text, path)
}

/// Parses a text; `path` is only named in errors.
///
/// # Errors
/// [`RonError::Syntax`].
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, RonError> {
    let text = text::without_mark(text);
    options().from_str(text).map_err(|error| {
        let mistakes = all_mistakes::<T>(text, options(), &error);
        RonError::Syntax { mistakes, path: path.to_owned() }
    })
}

/// A value as text that [`parse`] reads back, under a comment of one line.
///
/// # Panics
/// If a value has no RON form, which numbers, texts, lists and plain structs of them all have.
#[must_use]
pub fn text_of(comment: &str, value: &impl Serialize) -> String {
    let body = options().to_string_pretty(value, PrettyConfig::new()).expect("plain structs have a RON form");
    format!("// {comment}\n{body}\n")
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}
