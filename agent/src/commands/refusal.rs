//! Refusals of a command line: clap's own, in plainer words and with tips that help.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use roadproof_sim::fault::FaultKind;
use roadproof_sim::mistake::nearest;

/// What the standard library says of a text that is no number, and what people would.
const NUMBERS: [(&str, &str); 4] = [
    ("invalid digit found in string", "a whole number from 0 on is wanted"),
    ("number too large to fit in target type", "this number is too large"),
    ("invalid float literal", "a number is wanted"),
    ("cannot parse integer from empty string", "a whole number is wanted"),
];

/// A refusal of a command line in plain words, coloured if it is for a terminal.
#[must_use]
pub fn refusal(error: &Error, coloured: bool) -> String {
    let told = error.render();
    let told = if coloured { told.ansi().to_string() } else { told.to_string() };
    NUMBERS.iter().fold(told, |told, (parser, people)| told.replace(parser, people)).trim_end().to_owned()
}

/// The refusal with tips that help: which command has an option that this one has not, which value was likely meant, and what to do in
/// place of what cannot go together. `driver_is_moved` is whether a driver that was named by an option has been put in the first place.
pub(super) fn with_tips(mut error: Error, program: &Command, driver_is_moved: bool) -> Error {
    match error.kind() {
        ErrorKind::UnknownArgument => {
            // That it could be passed as a value behind two dashes is what nobody means.
            error.remove(ContextKind::Suggested);
            let typed = text(&error, ContextKind::InvalidArg);
            if let Some(owners) = owners(&typed, program) {
                tip(&mut error, format!("{typed} is an option of {owners}"));
            } else if let Some(fault) = nearest(&typed, FaultKind::ALL.iter().map(|kind| kind.name())) {
                tip(&mut error, format!("a fault is named by an option: `roadproof faults --kind {fault}`"));
            } else if !typed.starts_with('-') && driver_is_moved {
                tip(&mut error, "a driver is named in the first place or by --driver, not both".to_owned());
            }
        }
        // `help evalute`, which clap refuses without a word of what is there.
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            let names: Vec<String> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            if let Some(meant) = fewest_slips(&text(&error, ContextKind::InvalidSubcommand), &names) {
                tip(&mut error, format!("a similar command exists: '{meant}'"));
            }
        }
        ErrorKind::InvalidValue => {
            let typed = text(&error, ContextKind::InvalidValue);
            let meant = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(names)) => fewest_slips(&typed, names),
                _ => None,
            };
            // The parser's own are far-fetched.
            match meant {
                Some(meant) => error.insert(ContextKind::SuggestedValue, ContextValue::String(meant)),
                None => error.remove(ContextKind::SuggestedValue),
            };
        }
        ErrorKind::ArgumentConflict => {
            let both = text(&error, ContextKind::InvalidArg) + &text(&error, ContextKind::PriorArg);
            if both.contains("--resume") {
                let way = "a run goes on under its own settings; to begin another with its weights: --from RUN";
                tip(&mut error, way.to_owned());
            }
        }
        _ => {}
    }
    error
}

/// What an error says of itself, as text.
fn text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    }
}

fn tip(error: &mut Error, told: String) {
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(told)]));
}

/// The commands that have a long option, if any has.
fn owners(typed: &str, program: &Command) -> Option<String> {
    let option = typed.strip_prefix("--")?;
    let option = option.split_once('=').map_or(option, |(name, _)| name);
    let has = |command: &&Command| command.get_arguments().any(|argument| argument.get_long() == Some(option));
    let owners: Vec<String> =
        program.get_subcommands().filter(has).map(|command| format!("`roadproof {}`", command.get_name())).collect();
    (!owners.is_empty()).then(|| owners.join(", "))
}

/// Slips of the fingers that make a name of what was typed, letters that changed places being one.
pub(super) fn slips(typed: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(typed, name)
}

/// So many slips and what was typed may still have been meant as a name.
pub(super) fn slips_allowed(typed: &str) -> usize {
    (typed.chars().count() / 4).max(1)
}

/// The name that the fewest slips make of what was typed, or the shortest that has it in it; none if it takes many.
fn fewest_slips(typed: &str, names: &[String]) -> Option<String> {
    const TELLING: usize = 3;
    let nearest = names.iter().min_by_key(|name| slips(typed, name));
    let nearest = nearest.filter(|name| slips(typed, name) <= slips_allowed(typed));
    let longer =
        || names.iter().filter(|name| name.contains(typed) && typed.len() >= TELLING).min_by_key(|it| it.len());
    nearest.or_else(longer).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use std::ffi::OsString;

    fn refused(typed: &str) -> String {
        let words = ["roadproof"].into_iter().chain(typed.split(' ')).map(OsString::from).collect();
        refusal(&read(words).expect_err("it must be refused"), false)
    }

    #[test]
    fn what_is_no_number_is_told_in_plain_words() {
        for (typed, told) in [
            ("train --seed -1", "invalid value '-1' for '--seed <SEED>': a whole number from 0 on is wanted"),
            ("train --seed 1.5", "invalid value '1.5' for '--seed <SEED>': a whole number from 0 on is wanted"),
            ("evaluate --roads -5", "invalid value '-5' for '--roads <N>': "),
            ("report shipped --drives many", "a whole number from 0 on is wanted"),
            ("faults --at x", "a number is wanted"),
            ("attack --driver", "--driver wants the name of a driver"),
            ("report --driver a --driver b", "--driver is there twice"),
            ("attack shipped src --eps -2/255", "invalid value '-2/255' for '--eps <EPS>': "),
        ] {
            let refused = refused(typed);
            assert!(refused.contains(told), "{typed}: {refused}");
        }
    }

    #[test]
    fn tips_say_what_would_be_right() {
        for (typed, told) in [
            ("report shipped --black-box", "--black-box is an option of `roadproof attack`"),
            ("evaluate --traces=x", "is an option of `roadproof replay`"),
            ("train --sed 3", "a similar argument exists: '--seed'"),
            ("attack shipped src --method pdg", "'pgd'"),
            ("attack shipped src --goal gohst", "'ghost'"),
            ("attack shipped src --driver hardened", "in the first place or by --driver, not both"),
            ("help evalute", "a similar command exists: 'evaluate'"),
            ("faults Fogg", "`roadproof faults --kind Fog`"),
            ("attack shipped src --goal right", "'steer-right'"),
            ("evaluate --split held", "'held-out'"),
            ("train --resume runs/a --set seed=3", "to begin another with its weights: --from RUN"),
        ] {
            let refused = refused(typed);
            assert!(refused.contains(told) && !refused.contains("-- --"), "{typed}: {refused}");
        }
        assert!(!refused("attack shipped src --method zzzzz").contains("similar"));
        assert!(!refused("devices cuda").contains("driver"));
    }
}
