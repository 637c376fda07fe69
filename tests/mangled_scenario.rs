//! Scenario text that somebody's editor, disk or imagination has been at: refused or driven, never a panic.

use crate::program::repository;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use roadproof_sim::scenario::{ReadError, parse_all};
use roadproof_sim::{Controls, Episode, parse, scenario};
use std::path::{Path, PathBuf};

/// Numbers at and beyond the edges of what fields allow.
const NUMBERS: [&str; 19] = [
    "5000.0",
    "0",
    "-0.0",
    "-1",
    "-1.5",
    "0.1",
    "1e-45",
    "2",
    "3.0",
    "127",
    "256",
    "2048",
    "3600.0",
    "1e9",
    "1e39",
    "NaN",
    "inf",
    "-inf",
    "18446744073709551616",
];

/// One thing that is done to a text; places are taken modulo its length.
#[derive(Clone, Debug)]
enum Mangling {
    Byte { at: usize, byte: u8 },
    Delete { at: usize, length: usize },
    SwapLines { one: usize, other: usize },
    Truncate { at: usize },
    Number { which: usize, value: usize },
    Word { which: usize, by: usize },
    Nest { at: usize, deep: usize, bracket: usize },
    Repeat { at: usize, length: usize, times: usize },
}

fn mangling() -> impl Strategy<Value = Mangling> {
    let at = || any::<u16>().prop_map(usize::from);
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Mangling::Byte { at, byte }),
        1 => (at(), 1_usize..40).prop_map(|(at, length)| Mangling::Delete { at, length }),
        2 => (at(), at()).prop_map(|(one, other)| Mangling::SwapLines { one, other }),
        1 => at().prop_map(|at| Mangling::Truncate { at }),
        8 => (at(), 0..NUMBERS.len()).prop_map(|(which, value)| Mangling::Number { which, value }),
        4 => (at(), at()).prop_map(|(which, by)| Mangling::Word { which, by }),
        1 => (at(), 1_usize..20_000, 0_usize..4).prop_map(|(at, deep, bracket)| Mangling::Nest { at, deep, bracket }),
        1 => (at(), 1_usize..80, 1_usize..50).prop_map(|(at, length, times)| Mangling::Repeat { at, length, times }),
    ]
}

impl Mangling {
    fn apply(&self, text: &mut Vec<u8>) {
        let length = text.len().max(1);
        match *self {
            Self::Byte { at, byte } => text[at % length] = byte,
            Self::Delete { at, length: deleted } => {
                let from = at % length;
                text.drain(from..(from + deleted).min(length));
            }
            Self::SwapLines { one, other } => {
                let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let count = lines.len();
                lines.swap(one % count, other % count);
                *text = lines.join(&b'\n');
            }
            Self::Truncate { at } => text.truncate(at % length),
            Self::Number { which, value } => {
                let places = numbers(text);
                if let Some((from, to)) = places.get(which % places.len().max(1)) {
                    text.splice(from..to, NUMBERS[value].bytes());
                }
            }
            Self::Word { which, by } => {
                let places = words(text);
                let count = places.len().max(1);
                if let (Some(&(from, to)), Some(&(other_from, other_to))) =
                    (places.get(which % count), places.get(by % count))
                {
                    let other = text[other_from..other_to].to_vec();
                    text.splice(from..to, other);
                }
            }
            Self::Nest { at, deep, bracket } => {
                let opening = ["(", "[", "Some(", "/*"][bracket];
                let from = at % length;
                text.splice(from..from, opening.repeat(deep).bytes());
            }
            Self::Repeat { at, length: repeated, times } => {
                let from = at % length;
                let part = text[from..(from + repeated).min(length)].repeat(times);
                text.splice(from..from, part);
            }
        }
        if text.is_empty() {
            text.push(b' ');
        }
    }
}

/// Where names of fields and of variants stand, outside comments and mostly outside texts.
fn words(text: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut at = text.windows(9).position(|window| window == b"Scenario(").unwrap_or(0);
    while at < text.len() {
        let letters = text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if letters > 0 && text[at].is_ascii_alphabetic() {
            places.push((at, at + letters));
        }
        at += letters.max(1);
    }
    places
}

/// Where numbers stand that are values, outside comments.
fn numbers(text: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut at = text.windows(9).position(|window| window == b"Scenario(").unwrap_or(0);
    while at < text.len() {
        let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit() || b".-".contains(byte)).count();
        let begins = at == 0 || b" (".contains(&text[at - 1]);
        if begins && digits > 0 && text[at..at + digits].iter().any(u8::is_ascii_digit) {
            places.push((at, at + digits));
        }
        at += digits.max(1);
    }
    places
}

/// Every scenario with the path it has, which its recorded perturbation is looked for beside.
fn library() -> Vec<(PathBuf, Vec<u8>)> {
    let files = scenario::find(&[repository().join("scenarios")]).expect("there are scenarios");
    let read = |file: PathBuf| {
        let text = std::fs::read(&file).expect("the file can be read");
        (file, text)
    };
    files.into_iter().map(read).collect()
}

/// Reads a text; what can be read is built and driven for three decisions, what cannot has mistakes whose places are in it.
fn drive(text: &str, path: &Path) -> bool {
    let scenario = match parse(text, path) {
        Ok(scenario) => scenario,
        Err(first) => {
            check_mistakes(text, path, &first);
            return false;
        }
    };
    let mut episode = Episode::new(scenario).expect("what was checked can be built");
    for _ in 0..3 {
        episode.step(Controls { steer: 0.3, throttle: 1.0, ..Controls::default() });
    }
    true
}

/// Reading on behind the first mistake ends with every mistake told once, in order.
fn check_mistakes(text: &str, path: &Path, first: &ReadError) {
    let all = parse_all(text, path).expect_err("it has mistakes");
    assert_eq!(all.first().map(ToString::to_string), Some(first.to_string()));
    let lines: Vec<&str> = text.split('\n').collect();
    let mut last = (0, 0);
    for mistake in &all {
        let (line, column) = mistake.place().unwrap_or((usize::MAX, 0));
        assert!((line, column) >= last, "{mistake} comes after {last:?}");
        last = (line, column);
        let inside = lines.get(line - 1).is_none_or(|line| (1..=line.chars().count() + 1).contains(&column));
        assert!(inside && (line <= lines.len() || line == usize::MAX), "{mistake} is nowhere");
    }
    let told: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), all.len(), "{all:?}");
}

proptest! {
    // The same texts every time: a test that fails by chance teaches people to run it again.
    #![proptest_config(Config { cases: 1500, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    #[test]
    fn mangled_text_is_refused_or_driven(
        which in 0_usize..100,
        manglings in prop::collection::vec(mangling(), 1..4),
    ) {
        let library = library();
        let (path, mut text) = library[which % library.len()].clone();
        for mangling in &manglings {
            mangling.apply(&mut text);
        }
        drive(&String::from_utf8_lossy(&text), &path);
    }
}

#[test]
fn the_library_is_driven_as_it_stands() {
    // Without this, a mistake in `drive` would let every mangled text pass for refused.
    assert!(library().iter().all(|(path, text)| drive(&String::from_utf8_lossy(text), path)));
}

#[test]
fn every_number_may_be_anything() {
    let mut driven = 0;
    for (path, text) in library() {
        for which in 0..numbers(&text).len() {
            let mut text = text.clone();
            Mangling::Number { which, value: which % NUMBERS.len() }.apply(&mut text);
            driven += usize::from(drive(&String::from_utf8_lossy(&text), &path));
        }
    }
    assert!(driven > 20, "only {driven} texts could be read");
}

/// What is held against a number that cannot be, or stands behind it, is no mistake of its own.
#[test]
fn one_impossible_number_is_one_mistake_on_its_line() {
    let (mut told, mut silent) = (0, 0);
    for (path, text) in library() {
        for (from, to) in numbers(&text) {
            let mut changed = text.clone();
            changed.splice(from..to, "-1e9".bytes());
            let Err(all) = parse_all(&String::from_utf8_lossy(&changed), &path) else {
                silent += 1;
                continue;
            };
            let line = 1 + changed[..from].iter().filter(|byte| **byte == b'\n').count();
            assert!(all.len() == 1 && all[0].place().is_some_and(|(at, _)| at == line), "line {line}: {all:?}");
            told += 1;
        }
    }
    // Some stand in titles and in comments.
    assert!(told > 500 && silent < told / 10, "{told} told, {silent} not");
}

#[test]
fn deep_nesting_is_refused() {
    for (opening, closing) in [("(", ")"), ("[", "]"), ("{", "}"), ("Some(", ")"), ("/*", "*/")] {
        for around in ["", "Scenario(format: 1, title: \"t\", duration_s: 1.0, road: ", "Scenario(actors: "] {
            let text = format!("{around}{}{}", opening.repeat(50_000), closing.repeat(50_000));
            assert!(!drive(&text, Path::new("deep.ron")), "{around}{opening}");
        }
    }
}
