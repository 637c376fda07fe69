//! What is wrong with a text in RON, in words for those who write scenarios and settings rather than for those who write parsers.

mod reading;
mod repairs;
mod stand_in;
mod trail;

use crate::fault::{FaultKind, did_you_mean};
use crate::text::blanked;
pub use reading::all_mistakes;
pub(crate) use reading::{Reading, there_may_be_more};
use repairs::Asked;
use ron::error::{Error, SpannedError};

/// Names that are few enough to be told all.
const FEW: usize = 15;
/// What is told of a text that is cut off.
const ENDS_EARLY: &str = "the text ends too early: a bracket or a quotation mark is not closed";
/// What is told of a field of a name that nobody knows begins with this.
pub(crate) const UNKNOWN_FIELD: &str = "unknown field";
/// Characters of what was found that are shown.
const SHOWN: usize = 24;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, with the offending value.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl Mistake {
    /// The mistake that a parser found in a text.
    #[must_use]
    pub fn of(error: &SpannedError, text: &str) -> Self {
        Self::told(&error.code, (error.span.start.line, error.span.start.col), text, Asked::Otherwise)
    }

    /// The same, of whom more is known: what was asked for where it was found.
    fn told(code: &Error, (line, column): (usize, usize), text: &str, asked: Asked) -> Self {
        let found = found_at(text, line, column);
        // A number is told of where it begins, not at its point.
        let read = if is_broken_number(code, &found) { found.before.len() } else { 0 };
        let message = if blanked(text, false).trim().is_empty() {
            format!("the text is empty: {}", in_words(code, &found, asked))
        } else if matches!(code, Error::ExpectedComma) && is_last_word(text, line, column) {
            ENDS_EARLY.to_owned()
        } else {
            in_words(code, &found, asked)
        };
        Self { message, line, column: column - read }
    }
}

/// Names that are less alike than this are no likely meaning of each other.
pub const ALIKE: f64 = 0.8;

/// The name that is most like what was typed, if any is.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &&str| if name.eq_ignore_ascii_case(typed) { 1.0 } else { strsim::jaro_winkler(typed, name) };
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|name| likeness(name) >= ALIKE)
}

/// What was found at a place, and what stands right before it.
struct Found {
    token: String,
    before: String,
}

fn found_at(text: &str, line: usize, column: usize) -> Found {
    let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let at = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    let (before, rest) = (&text[..at], text[at..].trim_start());
    let is_end = |c: char| c.is_whitespace() || ",:()[]{}".contains(c);
    let token: String = rest.chars().take_while(|c| !is_end(*c)).take(SHOWN).collect();
    let token = if token.is_empty() { rest.chars().next().map_or(String::new(), String::from) } else { token };
    let before = before.rsplit(|c: char| is_end(c)).next().unwrap_or_default().to_owned();
    Found { token, before }
}

/// Whether nothing but one value stands from a place on: a bracket is missing behind it, and not a comma before it.
fn is_last_word(text: &str, line: usize, column: usize) -> bool {
    let text = blanked(text, true);
    let mut rest = text.lines().skip(line.saturating_sub(1));
    let first: String = rest.next().unwrap_or_default().chars().skip(column.saturating_sub(1)).collect();
    let last_word = std::iter::once(first.as_str()).chain(rest);
    last_word.flat_map(str::split_whitespace).count() <= 1 && !first.contains([',', ':', '(', ')', '[', ']', '{', '}'])
}

fn is_whole(text: &str) -> bool {
    let digits = text.trim_start_matches('-');
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// Whether a number with a point stands where a whole one was read.
fn is_broken_number(error: &Error, Found { token, before }: &Found) -> bool {
    matches!(error, Error::ExpectedComma) && token.starts_with('.') && is_whole(before)
}

fn in_words(error: &Error, found: &Found, asked: Asked) -> String {
    let Found { token, before } = found;
    let seen = if token.is_empty() { String::new() } else { format!(", found {token}") };
    let wanted = |what: &str| format!("{what} is wanted{seen}");
    match error {
        error if is_broken_number(error, found) => {
            format!("a whole number is wanted, found {before}{token}")
        }
        Error::ExpectedComma => wanted("a comma or a closing bracket"),
        Error::ExpectedMapColon => wanted("a colon behind the name"),
        Error::ExceededRecursionLimit => "there are too many brackets in each other".to_owned(),
        Error::UnexpectedChar(_) | Error::UnderscoreAtBeginning => format!("this means nothing here{seen}"),
        Error::NoSuchStructField { expected: [], found, outer } => {
            let of = outer.as_deref().unwrap_or("this");
            format!("{UNKNOWN_FIELD} {found:?}: {of} has no fields")
        }
        Error::ExpectedAttribute | Error::ExpectedAttributeEnd => "this is no RON file".to_owned(),
        Error::ExpectedNamedStructLike("") => wanted("what is written ( … )"),
        Error::ExpectedNamedStructLike(name) => format!("{name}( … ) is wanted, or ( … ) alone{seen}"),
        Error::ExpectedStructLike | Error::ExpectedStructLikeEnd => wanted("a bracket ( or )"),
        Error::MissingStructField { field, .. } => format!("the field {field} is missing"),
        Error::DuplicateStructField { field, .. } => format!("the field {field} is there twice"),
        Error::Eof | Error::ExpectedStringEnd => ENDS_EARLY.to_owned(),
        Error::UnclosedBlockComment => "a comment that begins with /* is not closed".to_owned(),
        Error::TrailingCharacters => format!("there is something behind the end{seen}"),
        Error::ExpectedInteger => wanted("a whole number"),
        Error::InvalidIntegerDigit { .. } => format!("a whole number in digits is wanted, found {before}{token}"),
        Error::IntegerOutOfBounds => {
            let found = format!("{before}{token}");
            // What any number with a sign can be fits but where there is none.
            let is_below = found.parse::<i8>().is_ok_and(|number| number < 0);
            format!("a whole number {} is wanted, found {found}", if is_below { "from 0 on" } else { "that fits" })
        }
        Error::ExpectedFloat => wanted("a number"),
        Error::ExpectedBoolean => wanted("true or false"),
        Error::ExpectedString => wanted("a text in quotation marks"),
        Error::ExpectedArray | Error::ExpectedArrayEnd => wanted("a list [ … ]"),
        Error::ExpectedIdentifier | Error::InvalidIdentifier(_) | Error::SuggestRawIdentifier(_) => {
            name_wanted(found, asked)
        }
        Error::ExpectedDifferentStructName { expected, .. } => wanted(&format!("{expected}( … )")),
        Error::NoSuchEnumVariant { expected, found, .. } => no_such_name(found, expected),
        Error::NoSuchStructField { expected, found, outer } => {
            let of = outer.as_ref().map_or_else(String::new, |outer| format!(" of {outer}"));
            format!("{UNKNOWN_FIELD} {found:?}{} Fields{of} are {}", meant(found, expected), expected.join(", "))
        }
        other => other.to_string(),
    }
}

/// What stands where a name is to stand, and what may.
fn name_wanted(Found { token, .. }: &Found, asked: Asked) -> String {
    let seen = if token.is_empty() { String::new() } else { format!(", found {token}") };
    let is_number = token.parse::<f64>().is_ok();
    match asked {
        Asked::Variant { of: "Trigger", .. } if is_number => format!("{token} is written At(at_s: {token})"),
        Asked::Field(&[field]) if is_number => format!("{token} is written {field}: {token}"),
        Asked::Field(names) if names.len() <= FEW => {
            format!("the name of a field is wanted{seen}. Fields are {}", names.join(", "))
        }
        Asked::Variant { names, .. } if names.len() <= FEW => {
            format!("a name is wanted{seen}. Allowed are {}", names.join(", "))
        }
        _ => format!("a name is wanted{seen}"),
    }
}

/// What may stand there instead: all names if they are few, else the nearest.
fn no_such_name(found: &str, expected: &[&str]) -> String {
    if expected.contains(&"Graded") {
        // Kinds are names of their own, one level further down.
        let kinds = || FaultKind::ALL.iter().map(|kind| kind.name());
        if let Some(kind) =
            nearest(found, kinds().chain(expected.iter().copied())).filter(|name| !expected.contains(name))
        {
            let meant =
                if kind == found { String::new() } else { format!("unknown name {found:?}, did you mean {kind:?}? ") };
            return format!("{meant}{kind} is written Graded(kind: {kind}, severity: 3)");
        }
    }
    if expected.len() > FEW {
        return format!("unknown name {found:?}, {}", did_you_mean(found, expected));
    }
    format!("unknown name {found:?}{} Allowed are {}", meant(found, expected), expected.join(", "))
}

/// The end of a sentence about a name that there is not: the question for one that is like it, if there is one.
fn meant(found: &str, names: &[&str]) -> String {
    nearest(found, names.iter().copied()).map_or_else(|| ".".to_owned(), |name| format!(", did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;
    use std::path::Path;

    const TEXT: &str = r#"Scenario(
    format: 1, title: "t", seed: 4, duration_s: 9.0, road: Straight(length_m: 200.0, lanes: 2),
    actors: [(name: "a", start: (lane: 0, s_m: 60.0, speed_mps: 5.0),
              script: [Brake(when: At(at_s: 1.0), decel_mps2: 2.0, for_s: 1.0)])],
    perturbations: [(during_s: (1.0, 2.0), fault: Graded(kind: Fog, severity: 3))],
    expect: (outcome: Arrived),
)"#;

    #[test]
    fn mistakes_are_told_in_plain_words() {
        let told = |from: &str, to: &str| {
            assert!(TEXT.contains(from));
            let parsed = parse(&TEXT.replacen(from, to, 1), Path::new("t.ron"));
            parsed.expect_err("must be refused").to_string()
        };
        for (from, to, message) in [
            ("seed: 4", "seed: 4.5", "t.ron:2:34: a whole number is wanted, found 4.5"),
            ("\"t\"", "t", "a text in quotation marks is wanted, found t"),
            ("title: \"t\", ", "", "the field title is missing"),
            ("duration_s: 9.0", "duration_s: 9.0, duration_s: 8.0", "the field duration_s is there twice"),
            ("9.0, road", "9.0 road", "t.ron:2:53: a comma or a closing bracket is wanted, found road"),
            ("At(at_s: 1.0)", "1.0", "t.ron:4:36: 1.0 is written At(at_s: 1.0)"),
            ("At(at_s: 1.0)", "At(1.0)", "t.ron:4:39: 1.0 is written at_s: 1.0"),
            ("Brake(when", "7(when", "a name is wanted, found 7. Allowed are SetSpeed, ChangeLane, Brake, Stop"),
            ("during_s: (1.0", "7: (1.0", "the name of a field is wanted, found 7. Fields are during_s, when, fault"),
            (
                "Graded(kind: Fog, severity: 3)",
                "Fog(severity: 3)",
                "t.ron:5:51: Fog is written Graded(kind: Fog, severity: 3)",
            ),
            (
                "Graded(kind: Fog, severity: 3)",
                "Fogg()",
                "\"Fogg\", did you mean \"Fog\"? Fog is written Graded(kind: Fog,",
            ),
            (
                "Graded(kind: Fog, severity: 3)",
                "Blurr(sigma_px: 1.0)",
                "did you mean \"Blur\"? Allowed are Noise, Blur,",
            ),
            ("Fog, sev", "fog, sev", "did you mean \"Fog\"?"),
            ("Arrived", "Success", "Allowed are Arrived, Collision, OffRoad, "),
            ("Scenario(", "#!shebang(", "this is no RON file"),
            ("expect: (outcome: Arrived),\n)", "expect: (outcome: Arrived),", "the text ends too early"),
            ("Arrived),\n)", "Arrived),\n) and more", "there is something behind the end, found and"),
            ("seed: 4", "seed: -4", "a whole number from 0 on is wanted, found -4"),
            ("lanes: 2", "lanes: -2", "lanes = -2, allowed is 1 to 3"),
            ("lane: 0", "lane: -1.5", "a whole number is wanted, found -1.5"),
            ("lane: 0", "lane: x", "a whole number is wanted, found x"),
        ] {
            let found = told(from, to);
            assert!(found.contains(message), "{from} -> {to}: {found}");
        }
    }
}
