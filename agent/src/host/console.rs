//! What commands say to people: text on standard output once all is saved, notes on standard error at once.
//!
//! A reader may leave at any moment (`roadproof replay | head -1`), so text is a courtesy beside files and exit code: a pipe that
//! is closed ends it quietly. Nothing else in the program prints.

use comfy_table::{ContentArrangement, Table};
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Columns of a narrow terminal, which every table fits into.
pub const COLUMNS: usize = 80;

/// A table that breaks its cells where it would be wider than [`COLUMNS`].
#[must_use]
pub fn table<T: ToString>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS as u16);
    table.set_header(header.into_iter().map(|name| name.to_string()));
    table
}

/// Standard output that takes no text; a full disk ends here.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {cause}")]
pub struct ConsoleError {
    /// What the operating system said.
    pub cause: io::Error,
}

/// The text of a command, kept until its files are written.
#[derive(Debug, Default)]
pub struct Console {
    text: String,
    taken: bool,
}

impl Console {
    /// Leaves standard output to the file, if that is where it goes: the text then goes to standard error.
    pub fn give_way_to(&mut self, file: Option<&Path>) {
        self.taken |= file.is_some_and(is_standard_output);
    }

    /// Adds a line, or several.
    pub fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect("a string takes all text");
    }

    /// Shows the text.
    ///
    /// # Errors
    /// [`ConsoleError`] if standard output takes none, but for a pipe whose reader has left.
    pub fn show(self) -> Result<(), ConsoleError> {
        if self.taken {
            if is_quiet() {
                return Ok(());
            }
            let _ = io::stderr().write_all(self.text.as_bytes());
            return Ok(());
        }
        write_out(self.text.as_bytes())
    }
}

/// Whether a path means standard output: `-`, or one of the names that systems have for it.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Writes to standard output; a pipe whose reader has left ends it quietly.
///
/// # Errors
/// [`ConsoleError`].
pub fn write_out(bytes: &[u8]) -> Result<(), ConsoleError> {
    let mut stdout = io::stdout().lock();
    heard(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A reader that has left needs no more, which is no failure of the writer.
///
/// # Errors
/// Whatever else keeps the text from being written.
pub fn heard(written: io::Result<()>) -> Result<(), ConsoleError> {
    match written {
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|cause| ConsoleError { cause }),
    }
}

/// Whether nobody wants to hear how the work goes.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out everything on standard error but errors from now on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether everything on standard error but errors is left out.
#[must_use]
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line on standard error, unless nobody wants to hear how the work goes. Whether anybody hears it is none of the work's
/// business.
pub fn note(line: impl Display) {
    if !is_quiet() {
        complain(line);
    }
}

/// Prints a line on standard error, whoever wants to hear it.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
        assert!(heard(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(heard(Ok(())).is_ok());
        let error = heard(Err(ErrorKind::StorageFull.into())).expect_err("the text is lost").to_string();
        assert!(error.starts_with("cannot write to standard output: "), "{error}");
    }

    #[test]
    fn names_of_standard_output_are_known() {
        assert!(["-", "/dev/stdout"].iter().all(|name| is_standard_output(Path::new(name))));
        assert!(["./-", "a/-", "stdout"].iter().all(|name| !is_standard_output(Path::new(name))));
    }

    #[test]
    fn a_file_that_goes_to_standard_output_has_it_to_itself() {
        let mut console = Console::default();
        console.give_way_to(None);
        console.give_way_to(Some(Path::new("result.json")));
        assert!(!console.taken);
        console.give_way_to(Some(Path::new("-")));
        console.give_way_to(Some(Path::new("result.json")));
        assert!(console.taken);
    }
}
