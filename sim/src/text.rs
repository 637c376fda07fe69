//! Text files as people and their editors leave them: the one reader of scenarios, traces and settings, and what in them is comment or
//! quotation.

use std::io::{self, ErrorKind};
use std::path::Path;

/// What some editors begin a UTF-8 file with.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a text file in UTF-8, without the byte order mark that it may begin with.
///
/// # Errors
/// What the system says, or that the file is no such text.
pub fn read(path: &Path) -> io::Result<String> {
    from_bytes(std::fs::read(path)?)
}

/// The same of the bytes of a file.
///
/// # Errors
/// That they are no such text.
pub fn from_bytes(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(invalid("the text is in UTF-16, save it as UTF-8".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        // What comes before is text.
        let (sound, strange) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let sound = String::from_utf8_lossy(sound);
        let line = sound.matches('\n').count() + 1;
        let column = sound.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let byte = strange.first().copied().unwrap_or_default();
        invalid(format!("not a text in UTF-8: byte {byte:#04x} in line {line}, column {column}; save it as UTF-8"))
    })?;
    let plain = without_mark(&text);
    Ok(if plain.len() == text.len() { text } else { plain.to_owned() })
}

/// A text without the byte order mark that it may begin with.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// A text in RON with spaces in place of its comments, and of what stands in quotation marks if that is asked for; every byte that is left
/// is where it was.
#[must_use]
pub fn blanked(text: &str, strings: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, blank) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if let Some(inside) = rest.strip_prefix("/*") {
            (inside.find("*/").map_or(rest.len(), |end| end + 4), true)
        } else if next == '"' {
            (string_end(rest), strings)
        } else {
            (next.len_utf8(), false)
        };
        let part = &rest[..length];
        match blank {
            true => out.extend(part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' })),
            false => out.push_str(part),
        }
        rest = &rest[length..];
    }
    out
}

/// How long the string in quotation marks is that the text begins with.
#[must_use]
pub fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_left_out() {
        let text = |bytes: &[u8]| from_bytes(bytes.to_vec()).map_err(|error| error.to_string());
        assert_eq!(text(b"\xef\xbb\xbf(seed: 1)"), Ok("(seed: 1)".to_owned()));
        assert_eq!(text(b"(seed: 1)"), Ok("(seed: 1)".to_owned()));
        assert_eq!(text("a\u{feff}".as_bytes()), Ok("a\u{feff}".to_owned()), "only at the start");
        assert_eq!(text(b""), Ok(String::new()));
        assert_eq!(text(b"\xff\xfe(\0"), Err("the text is in UTF-16, save it as UTF-8".to_owned()));
        let latin = text(b"(a\n: \xe9)").expect_err("no text");
        assert_eq!(latin, "not a text in UTF-8: byte 0xe9 in line 2, column 3; save it as UTF-8");
    }

    #[test]
    fn comments_are_blanked_and_every_byte_that_is_left_is_where_it_was() {
        let text = "a: \"x // é \\\" y\", // née\nb: /* é\n */ 1, c: \"/*\" /*";
        let (without, bare) = (blanked(text, false), blanked(text, true));
        for blank in [&without, &bare] {
            assert_eq!((blank.len(), blank.matches('\n').count()), (text.len(), 2), "{blank}");
            assert!(
                !blank.contains("née")
                    && ["a:", "b:", "1,", "c:"].iter().all(|kept| blank.find(kept) == text.find(kept))
            );
        }
        assert!(
            without.contains("\"x // é \\\" y\",") && without.contains("\"/*\"") && !bare.contains('"'),
            "{without}{bare}"
        );
    }
}
