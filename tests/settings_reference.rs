//! The reference of a training's settings says what the source says: `ROADPROOF_BLESS=1 cargo test --release settings_reference` writes
//! it anew.

use crate::program::repository;
use roadproof_agent::train::assignments::Assignment;
use roadproof_agent::train::settings::Settings;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A field as the source has it.
struct Field {
    name: String,
    kind: String,
    meaning: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The public fields of every public struct, by its name.
fn structs() -> BTreeMap<String, Vec<Field>> {
    let mut files = Vec::new();
    for folder in ["agent/src", "agent/env/src", "perception/src", "sim/src"] {
        sources(&repository().join(folder), &mut files);
    }
    let mut all = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a source");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) else {
                continue;
            };
            let body = lines.by_ref().take_while(|line| *line != "}");
            all.insert(name.to_owned(), fields(body));
        }
    }
    all
}

/// Fields with the first paragraphs of their documentation: what stands below a heading is for whoever reads the source.
fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Field> {
    let (mut fields, mut meaning, mut headed) = (Vec::new(), Vec::new(), false);
    for line in lines.map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            headed |= doc.trim_start().starts_with("# ");
            if !headed && !doc.trim().is_empty() {
                meaning.push(doc.trim());
            }
        } else if let Some((name, kind)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) {
            let meaning = plain(&std::mem::take(&mut meaning).join(" "));
            fields.push(Field { name: name.to_owned(), kind: kind.trim_end_matches(',').to_owned(), meaning });
            headed = false;
        }
    }
    fields
}

/// A text without the links of the source's documentation.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (at, part) in text.split("[`").enumerate() {
        match part.split_once("`]").filter(|_| at > 0) {
            Some((name, rest)) => {
                let target = rest.strip_prefix('(').and_then(|target| target.split_once(')'));
                plain += &format!("`{name}`{}", target.map_or(rest, |(_, rest)| rest));
            }
            None => plain += part,
        }
    }
    plain
}

/// What a number may be, by the answer to one that it may not be.
fn allowed(settings: &Settings, name: &str, value: &str) -> Option<String> {
    value.parse::<f64>().ok()?;
    ["1e30", "-1e30", "9223372036854775807", "-1", "255"].iter().find_map(|far| {
        let assignment: Assignment = format!("{name}={far}").parse().expect("a name and a value");
        let refused = settings.clone().with(&[assignment]).err()?.to_string();
        Some(refused.split_once("allowed is ")?.1.to_owned())
    })
}

fn walk(
    structs: &BTreeMap<String, Vec<Field>>,
    (kind, path): (&str, &str),
    settings: &Settings,
    values: &BTreeMap<String, String>,
    text: &mut String,
) {
    for Field { name, kind, meaning } in &structs[kind] {
        let name = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = values.get(&name);
        let is_section = values.keys().any(|other| other.starts_with(&format!("{name}.")));
        if value.is_none() && !is_section {
            continue;
        }
        assert!(!meaning.is_empty(), "{name} has no documentation");
        let _ = writeln!(text, "{name}\n  {meaning}");
        if let Some(allowed) = value.and_then(|value| allowed(settings, &name, value)) {
            let _ = writeln!(text, "  allowed: {allowed}");
        }
        let kind = kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind);
        if is_section {
            walk(structs, (kind, &name), settings, values, text);
        }
    }
}

#[test]
fn every_setting_is_explained_as_the_source_explains_it() {
    let settings = Settings { minutes: Some(1.0), ..Settings::default() }.hardened(false);
    let values = Assignment::all_of(&settings.to_ron()).into_iter().map(Assignment::into_parts).collect();
    let mut text = String::new();
    walk(&structs(), ("Settings", ""), &settings, &values, &mut text);
    let path = repository().join("agent/src/train/fields.txt");
    if std::env::var_os("ROADPROOF_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the reference is written");
    }
    let kept = std::fs::read_to_string(&path).expect("the reference");
    assert!(kept == text, "the source says something else than {path:?}; write it anew with ROADPROOF_BLESS=1");
    for name in values.keys() {
        assert!(kept.lines().any(|line| line == name), "{name} is not explained");
    }
    assert!(!kept.contains("Self::") && !kept.contains("](") && !kept.contains("[`"), "words of the source: {kept}");
    for known in [
        "reward.progress\n",
        "  allowed: 0 to 1\n",
        "harden.ramp\n",
        "drive.road.max_slope\n",
        "  allowed: 1 to 4096\n",
    ] {
        assert!(kept.contains(known), "{known:?}");
    }
}
