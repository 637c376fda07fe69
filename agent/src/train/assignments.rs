//! Single settings by name, `reward.progress=0.2`, set over whatever the rest says: from the command line, or from a file that says
//! only some of them. They are put into the text of the settings and read back, so that they are checked as a file is.

use crate::formats::ron_file::RonError;
use crate::learn::Algorithm;
use crate::train::settings::{Settings, SettingsError};
use roadproof_sim::mistake::{Mistake, nearest};
use roadproof_sim::text::{blanked, string_end};
use std::str::FromStr;

/// A setting and its new value, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its name, from the outermost section on.
    path: Vec<String>,
    /// The value in RON.
    value: String,
}

/// Why a setting cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    /// It is not there.
    #[error("there is no setting {name}{meant} {section} has {known}")]
    Unknown {
        /// Its whole name.
        name: String,
        /// What was likely meant, as a question.
        meant: String,
        /// Where it was looked for.
        section: String,
        /// What is there.
        known: String,
    },
    /// What was taken for a section is a single value, or left out.
    #[error("{section} is {value} here and has no settings of its own: {name}")]
    NoSection {
        /// What was taken for a section.
        section: String,
        /// What it is.
        value: String,
        /// The whole name.
        name: String,
    },
    /// A value cannot be, or some of them not together.
    #[error("{told}: {why}")]
    Value {
        /// What was set, as it was typed.
        told: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A setting that two texts give another value, or that one of them alone has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    name: String,
    was: Option<String>,
    is: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.name;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "{name} was {was} and is {is}"),
            (Some(was), None) => write!(f, "{name} was {was}"),
            (None, is) => write!(f, "{name} is {}", is.as_deref().unwrap_or_default()),
        }
    }
}

/// The settings in which two texts differ, in the order of the first, then those that the second alone has.
pub fn differences(then: &str, now: &str) -> impl Iterator<Item = Difference> {
    let [then, now] = [then, now].map(|text| Assignment::all_of(text).into_iter().map(Assignment::into_parts));
    let (then, now): (Vec<_>, Vec<_>) = (then.collect(), now.collect());
    let value_of = |all: &[(String, String)], name: &str| -> Option<String> {
        all.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    let new: Vec<String> =
        now.iter().filter(|(name, _)| value_of(&then, name).is_none()).map(|(name, _)| name.clone()).collect();
    let names = then.clone().into_iter().map(|(name, _)| name).chain(new);
    let each = names.map(move |name| Difference { was: value_of(&then, &name), is: value_of(&now, &name), name });
    each.filter(|difference| difference.was != difference.is)
}

/// A name as RON has it, `HeldOut`, of one as the command line has it, `held-out`; any other value as it is.
fn as_in_ron(value: &str) -> String {
    let is_word = value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !["true", "false", "inf", "nan"].contains(&value);
    if !is_word {
        return value.to_owned();
    }
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    value.split('-').filter(|word| !word.is_empty()).map(capital).collect()
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || format!("{text:?} is no NAME=VALUE, such as reward.progress=0.2");
        let (name, value) = text.split_once('=').ok_or_else(shape)?;
        let path: Vec<String> = name.trim().split('.').map(str::to_owned).collect();
        let is_name = |part: &String| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !path.iter().all(is_name) || value.trim().is_empty() {
            return Err(shape());
        }
        let value = value.trim();
        let in_ron = as_in_ron(value);
        if let Err(error) = ron::value::RawValue::from_ron(&in_ron) {
            return Err(format!("{value:?} is no value in RON: {}", Mistake::of(&error, &in_ron).message));
        }
        Ok(Self { path, value: value.to_owned() })
    }
}

impl Settings {
    /// Settings that say something else than the default and have no effect by an algorithm, by name.
    #[must_use]
    pub fn without_effect_by(&self, algorithm: Algorithm) -> Vec<String> {
        let unused = Self { algorithm, ..self.clone() }.unused_sections();
        let default = Assignment::all_of(&Self::default().to_ron());
        let own = Assignment::all_of(&self.to_ron()).into_iter().filter(|one| !default.contains(one));
        own.filter(|one| unused.contains(&one.section())).map(|one| one.name()).collect()
    }

    /// The same with some of them set, and checked once all are: what goes together may be set together.
    ///
    /// # Errors
    /// The first that is not there, and values that cannot be.
    pub fn with(self, assignments: &[Assignment]) -> Result<Self, AssignmentError> {
        if assignments.is_empty() {
            return Ok(self);
        }
        let told: Vec<String> = assignments.iter().map(|one| format!("{}={}", one.name(), one.value)).collect();
        let read = |lines: &[String]| {
            let value = |why: String| AssignmentError::Value { told: told.join(", "), why };
            Self::parse(&lines.join("\n"), "settings".as_ref()).map_err(|error| match error {
                // The place is one in a text that nobody has seen.
                SettingsError::File(RonError::Syntax { mistakes, .. }) => {
                    let messages: Vec<String> = mistakes.into_iter().map(|mistake| mistake.message).collect();
                    value(messages.join("; "))
                }
                error => value(error.to_string()),
            })
        };
        let lines_of = |settings: &Self| settings.to_ron().lines().map(str::to_owned).collect::<Vec<String>>();
        let mut lines = lines_of(&self);
        for assignment in assignments {
            assignment.put_into(&mut lines)?;
            if assignment.value.starts_with('(') {
                // A section in a line: what comes after may be in it.
                lines = lines_of(&read(&lines)?);
            }
        }
        read(&lines)
    }
}

impl Assignment {
    /// What a text of settings sets, one for each value in it, which is to be a text that can be read.
    #[must_use]
    pub fn all_of(text: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let text = blanked(text, false);
        let mut text = text.trim_start();
        while let Some(attribute) = text.strip_prefix("#!") {
            text = attribute.find(']').map_or("", |end| attribute[end + 1..].trim_start());
        }
        if let Some(opens) = text.find('(') {
            collect(&text[opens + 1..], &mut Vec::new(), &mut all);
        }
        all
    }

    /// Name and value.
    #[must_use]
    pub fn into_parts(self) -> (String, String) {
        (self.name(), self.value)
    }

    /// The outermost section of its name, or the name itself.
    #[must_use]
    pub fn section(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// Its whole name.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// Puts the value in the place of the old one: a line for each field, sections indented by four more.
    fn put_into(&self, lines: &mut Vec<String>) -> Result<(), AssignmentError> {
        let mut at = lines.iter().position(|line| line == "(").unwrap_or(0);
        for (depth, part) in self.path.iter().enumerate() {
            let fields = fields(lines, at, 4 * (depth + 1));
            let section = if depth == 0 { "the whole".to_owned() } else { self.path[..depth].join(".") };
            if depth > 0 && !lines[at].ends_with('(') {
                let value = lines[at].split_once(": ").map_or("", |(_, value)| value).trim_end_matches(',').to_owned();
                return Err(AssignmentError::NoSection { section, value, name: self.name() });
            }
            at = match fields.iter().find(|(name, _)| name == part) {
                Some((_, line)) => *line,
                None => return Err(self.unknown(part, section, fields.into_iter().map(|(name, _)| name).collect())),
            };
        }
        let indent = 4 * self.path.len();
        let last = self.path.last().expect("a name has a part");
        let opens = lines[at].ends_with(['(', '[', '{']);
        let is_end = |line: &String| indent_of(line) == indent && line.trim_start().starts_with([')', ']', '}']);
        let end = if opens { at + 1 + lines[at + 1..].iter().position(is_end).unwrap_or(0) } else { at };
        // Where a name stands another may; what is typed for anything else is told as it was typed.
        let (_, old) = lines[at].split_once(": ").unwrap_or_default();
        let is_name = old.starts_with(|c: char| c.is_ascii_uppercase()) || self.value == "none";
        let value = if is_name { as_in_ron(&self.value) } else { self.value.clone() };
        lines.splice(at..=end, [format!("{:indent$}{last}: {value},", "")]);
        Ok(())
    }

    fn unknown(&self, part: &str, section: String, known: Vec<String>) -> AssignmentError {
        let all = Self::all_of(&Settings::default().hardened(false).to_ron());
        // The last of the names alone, or one that is most like it where it was looked for.
        let elsewhere = all.iter().find(|one| self.path.len() == 1 && one.path.last().is_some_and(|last| last == part));
        let here = nearest(part, known.iter().map(String::as_str));
        let above = if section == "the whole" { String::new() } else { format!("{section}.") };
        let meant = elsewhere.map(Self::name).or_else(|| here.map(|name| format!("{above}{name}")));
        let meant = meant.map_or_else(|| ";".to_owned(), |name| format!(", did you mean {name}?"));
        AssignmentError::Unknown { name: self.name(), meant, section, known: known.join(", ") }
    }
}

/// Where a value ends that the text begins with: before the comma or the bracket that is not its own.
fn value_end(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(next) = text[at..].chars().next() {
        match next {
            '"' => {
                at += string_end(&text[at..]);
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => return at,
            _ => {}
        }
        at += next.len_utf8();
    }
    at
}

/// The name of the field that the text begins with, and what comes after its colon.
fn field(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, rest.trim_start()))
}

/// Collects the fields of a section, from behind its bracket on.
fn collect(mut text: &str, path: &mut Vec<String>, all: &mut Vec<Assignment>) {
    while let Some((name, value)) = field(text) {
        let end = value_end(value);
        path.push(name.to_owned());
        let bare = value[..end].strip_prefix("Some(").map_or(&value[..end], str::trim_start);
        match bare.strip_prefix('(').filter(|inside| field(inside).is_some()) {
            Some(inside) => collect(inside, path, all),
            // A section of which nothing is said.
            None if value[..end].trim() == "()" => {}
            None => all.push(Assignment { path: path.clone(), value: value[..end].trim().to_owned() }),
        }
        path.pop();
        text = value[end..].trim_start_matches([',', ' ', '\n', '\r', '\t']);
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Names and lines of the fields of the section that opens on a line.
fn fields(lines: &[String], opens: usize, indent: usize) -> Vec<(String, usize)> {
    let inside = lines.iter().enumerate().skip(opens + 1).take_while(|(_, line)| indent_of(line) >= indent);
    let own = inside.filter(|(_, line)| indent_of(line) == indent);
    own.filter_map(|(at, line)| Some((line.trim_start().split_once(':')?.0.to_owned(), at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: Settings, texts: &[&str]) -> Result<Settings, String> {
        let assignments: Result<Vec<Assignment>, String> = texts.iter().map(|text| text.parse()).collect();
        settings.with(&assignments?).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_of_an_algorithm_that_is_not_used_has_no_effect() {
        let settings = Settings::parse(
            "(algorithm: Ppo, learn: (gamma: 0.9), ppo: (epochs: 2), dqn: (updates: 7))",
            "s.ron".as_ref(),
        )
        .expect("settings");
        assert_eq!(settings.without_effect_by(Algorithm::Ppo), ["learn.gamma", "dqn.updates"]);
        assert_eq!(settings.unused_sections(), ["learn", "dqn", "dagger"]);
        assert!(Settings::default().without_effect_by(Algorithm::Dagger).is_empty());
        let sections = Algorithm::ALL.map(Algorithm::section);
        let written = Settings::default().to_ron();
        assert!(sections.iter().all(|section| written.contains(&format!("\n    {section}: ("))), "{written}");
    }

    #[test]
    fn settings_are_set_one_by_one_and_the_others_stay() {
        let settings = Settings { seed: 9, ..Settings::default() };
        let texts = ["reward.progress=0.2", "minutes=3", "drive.road.max_grade = 0.01", "memory.track_lane=true"];
        let changed = set(settings.clone(), &texts[..2]).expect("settings");
        assert_eq!((changed.reward.progress, changed.minutes, changed.seed), (0.2, Some(3.0), 9));
        assert_eq!(Settings { reward: settings.reward, minutes: None, ..changed }, settings);
        // Names as the command line has them.
        let changed = set(settings.clone(), &["evaluate.split=validation", "algorithm=ppo"]).expect("settings");
        assert_eq!(changed.algorithm, Algorithm::Ppo);
        let held_out = set(changed, &["evaluate.split=held-out", "algorithm=Pqn"]).expect("settings");
        assert_eq!(held_out, settings);
        // A section as a whole, with what it leaves out at its default.
        let changed = set(settings.hardened(false), &["harden=(ramp: 0.7)", "harden.perceive.loss=Trades(beta: 2.0)"]);
        let harden = changed.expect("settings").harden.expect("hardened");
        assert_eq!(harden.ramp, 0.7);
        assert!(format!("{:?}", harden.perceive.loss).contains("2.0"));
    }

    #[test]
    fn a_text_sets_what_it_says_and_nothing_else() {
        let text = "// settings, (seed: 3)\n( reward: (progress: 0.2, /* not (failure: 9) */ failure: 4.0),\n\
                    found: [\"a, (b).ron\"], minutes: None, // late\n learn: (gamma: 0.9),)";
        let all = Assignment::all_of(text);
        let names: Vec<String> = all.iter().map(|one| format!("{}={}", one.name(), one.value)).collect();
        let wanted =
            ["reward.progress=0.2", "reward.failure=4.0", "found=[\"a, (b).ron\"]", "minutes=None", "learn.gamma=0.9"];
        assert_eq!(names, wanted);
        // All settings there are, written and set over others, are themselves.
        let all_there_is = Settings { seed: 4, ..Settings::default() }.hardened(false);
        let assignments = Assignment::all_of(&all_there_is.to_ron());
        let base = Settings::default().hardened(false);
        assert_eq!(base.with(&assignments).expect("settings"), all_there_is);
        assert!(Assignment::all_of("()").is_empty());
        let odd = "#![enable(implicit_some)]\n(reward: (), harden: Some((ramp: 0.5)))";
        let names: Vec<String> = Assignment::all_of(odd).iter().map(Assignment::name).collect();
        assert_eq!(names, ["harden.ramp"]);
        // What goes only together is set together.
        let hard = Settings::default().hardened(false);
        let shares = ["harden.perceive.fault_share=0.7", "harden.perceive.attack_share=0.2"];
        assert!(set(hard.clone(), &shares).is_ok() && set(hard, &shares[..1]).is_err());
    }

    #[test]
    fn differences_are_told_with_both_values() {
        let told = |then: &str, now: &str| differences(then, now).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(told("(a: 1, b: (c: 2))", "(a: 1, b: (c: 3), d: 4)"), ["b.c was 2 and is 3", "d is 4"]);
        assert_eq!(told("(a: None)", "(a: (c: 1))"), ["a was None", "a.c is 1"]);
        assert!(told("(a: [1, 2])", "(a: [1, 2])").is_empty());
    }

    #[test]
    fn what_cannot_be_set_is_said_with_what_can() {
        let refused = |text: &str| set(Settings::default(), &[text]).expect_err("must be refused");
        assert!(
            refused("reward.progres=1")
                .contains("there is no setting reward.progres, did you mean reward.progress? reward has progress, ")
        );
        assert!(refused("rewards.progress=1").contains("did you mean reward? the whole has seed, "));
        assert!(refused("progress=1").contains("there is no setting progress, did you mean reward.progress? "));
        assert!(refused("zzz=1").contains("there is no setting zzz; the whole has seed, "));
        assert_eq!(refused("harden.ramp=0.1"), "harden is None here and has no settings of its own: harden.ramp");
        assert!(
            refused("learn.gamma=1.5").contains("learn.gamma=1.5: gamma = 1.5, allowed is 0 to 1"),
            "{}",
            refused("learn.gamma=1.5")
        );
        let fast = refused("reward.progress=fast");
        assert!(fast.starts_with("reward.progress=fast: ") && fast.ends_with("found fast"), "{fast}");
        let below = refused("learn.updates=-5");
        assert!(below.contains("updates = -5, allowed is 1 to "), "{below}");
        let seed = refused("seed=-1");
        assert!(seed.contains("a whole number from 0 on is wanted, found -1"), "{seed}");
        for text in ["reward", "=1", "reward.progress=", "reward..progress=1", "a b=1"] {
            assert!(refused(text).contains("is no NAME=VALUE"), "{text}");
        }
    }
}
