//! Which file may know which: no two files of a crate import each other, not even by way of others, and what ARCHITECTURE.md says
//! that a room never knows, no `use` line of that room names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A file of a crate, by the path of its module.
type Module = Vec<String>;

/// The files of one crate, without their unit tests and comments.
struct Sources {
    files: BTreeMap<Module, String>,
    /// Names that a file hands on, and where they come from.
    handed_on: BTreeMap<(Module, String), Module>,
}

impl Sources {
    fn read(source: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source);
        let mut files = BTreeMap::new();
        collect(&root, &mut Vec::new(), &mut files);
        let mut sources = Self { files, handed_on: BTreeMap::new() };
        let mut handed_on = BTreeMap::new();
        for (module, text) in &sources.files {
            for tree in uses(text).into_iter().filter(|statement| statement.public).map(|statement| statement.tree) {
                for path in leaves(&tree) {
                    if let Some(path) = sources.absolute(module, &path) {
                        let name = path.last().cloned().unwrap_or_default();
                        handed_on.insert((module.clone(), name), path);
                    }
                }
            }
        }
        sources.handed_on = handed_on;
        sources
    }

    /// A path as it stands in a file, from the crate's root; `None` for another crate's.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut base = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            // Of a file's own submodules.
            first if self.files.contains_key(&[module.as_slice(), &[first.to_owned()]].concat()) => {}
            _ => return None,
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base.as_slice(), rest].concat())
    }

    /// The file in which a path's name is written down, whoever hands it on.
    fn owner(&self, mut path: Module) -> Module {
        for _ in 0..8 {
            let known = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]));
            let length = known.expect("the root is a file");
            let Some(name) = path.get(length) else { return path };
            match self.handed_on.get(&(path[..length].to_vec(), name.clone())) {
                Some(from) => path = [from.as_slice(), &path[length + 1..]].concat(),
                None => return path[..length].to_vec(),
            }
        }
        panic!("{path:?} is handed on in a circle");
    }

    /// What a file names of its crate.
    fn named(&self, module: &Module, text: &str) -> BTreeSet<Module> {
        let statements = uses(text);
        let mut paths: Vec<Vec<String>> = statements
            .iter()
            .filter(|statement| !statement.public)
            .flat_map(|statement| leaves(&statement.tree))
            .collect();
        paths.extend(inline(text));
        let owners = paths.iter().filter_map(|path| self.absolute(module, path)).map(|path| self.owner(path));
        owners.filter(|owner| owner != module).collect()
    }

    fn arrows(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        self.files.iter().map(|(module, text)| (module.clone(), self.named(module, text))).collect()
    }
}

/// Reads a folder's files under the names of their modules.
fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    let mut entries: Vec<_> =
        folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            let mut own = module.clone();
            if name != "mod" && name != "lib" {
                own.push(name);
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            files.insert(own, without_tests_and_comments(&text));
        }
    }
}

fn without_tests_and_comments(text: &str) -> String {
    let tests = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(crate) mod tests"];
    let end = tests.iter().filter_map(|start| text.find(start)).min().unwrap_or(text.len());
    text[..end].lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// A `use` statement: whether it hands on, and its tree.
struct Use {
    public: bool,
    tree: String,
}

fn uses(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("use ") {
        let before = &rest[..at];
        let line = before.rsplit('\n').next().unwrap_or("").trim();
        let end = rest[at..].find(';').map_or(rest.len(), |length| at + length);
        if line.is_empty() || line.starts_with("pub") {
            found.push(Use { public: line.starts_with("pub"), tree: rest[at + 4..end].to_owned() });
        }
        rest = &rest[end.min(rest.len())..];
        rest = rest.strip_prefix(';').unwrap_or(rest);
    }
    found
}

/// The paths of a `use` tree.
fn leaves(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or("");
        return vec![path.split("::").map(|segment| segment.trim().to_owned()).collect()];
    };
    let prefix: Vec<String> =
        tree[..open].split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    let inside = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or("");
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(leaves).map(|path| [prefix.as_slice(), &path].concat()).collect()
}

/// Paths that are written out where they are used.
fn inline(text: &str) -> Vec<Vec<String>> {
    let starts = ["crate::", "super::"].iter().flat_map(|start| text.match_indices(start).map(|(at, _)| at));
    let path = |at: usize| {
        let end = text[at..].find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
        let path = &text[at..end.map_or(text.len(), |length| at + length)];
        path.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect::<Vec<String>>()
    };
    // A `use` tree is read as such.
    starts
        .filter(|&at| !text[..at].rsplit(['\n', ';']).next().unwrap_or("").contains("use "))
        .filter(|&at| !text[..at].ends_with("::"))
        .map(path)
        .collect()
}

/// A way along arrows from somewhere back to where it began.
fn circle(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|start| follow(start, arrows, &mut Vec::new(), &mut done))
}

fn follow(
    at: &Module,
    arrows: &BTreeMap<Module, BTreeSet<Module>>,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(before) = way.iter().position(|module| module == at) {
        return Some(way[before..].to_vec());
    }
    if done.contains(at) {
        return None;
    }
    way.push(at.clone());
    let found = arrows.get(at).into_iter().flatten().find_map(|next| follow(next, arrows, way, done));
    way.pop();
    done.insert(at.clone());
    found
}

/// The same arrows between rooms, the folders and files at a crate's root.
fn between_rooms(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut rooms: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, to) in arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
        if let (Some(from), Some(to)) = (from.first(), to.first())
            && from != to
        {
            rooms.entry(vec![from.clone()]).or_default().insert(vec![to.clone()]);
        }
    }
    rooms
}

fn has_no_circle(source: &str) {
    let arrows = Sources::read(source).arrows();
    assert!(arrows.values().any(|to| !to.is_empty()), "{source}: no arrow was found at all");
    assert_eq!(circle(&arrows), None, "files of {source} import each other");
    assert_eq!(circle(&between_rooms(&arrows)), None, "rooms of {source} import each other");
}

#[test]
fn no_import_circle_in_the_simulator() {
    has_no_circle("sim/src");
}

#[test]
fn no_import_circle_in_perception() {
    has_no_circle("perception/src");
}

#[test]
fn no_import_circle_in_the_task() {
    has_no_circle("agent/env/src");
}

#[test]
fn no_import_circle_in_the_agent() {
    has_no_circle("agent/src");
}

/// Expects that no file of a room names any of these, which are paths from a crate's root or the names of crates.
fn never(source: &str, room: &str, names: &[&str]) {
    let sources = Sources::read(source);
    let own =
        sources.files.iter().filter(|(module, _)| room.is_empty() || module.first().is_some_and(|first| first == room));
    let mut files = 0;
    for (module, text) in own {
        files += 1;
        for name in names {
            let file = module.join("::");
            let of_crate = sources.named(module, text).iter().any(|path| path.join("::").starts_with(name));
            let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let other_crate = words.clone().any(|word| word == *name) && text.contains(&format!("{name}::"));
            assert!(!of_crate && !other_crate, "{source}/{file} names {name}");
        }
    }
    assert!(files > 0, "{source} has no room {room}");
}

#[test]
fn the_simulator_names_no_network_and_no_reward() {
    never("sim/src", "", &["burn", "roadproof_perception", "roadproof_env", "roadproof_agent"]);
}

#[test]
fn the_parts_of_the_simulator_name_no_scenario() {
    for part in ["road", "scene", "vehicle", "traffic", "physics", "camera", "fault", "outcome"] {
        never("sim/src", part, &["scenario", "world", "fleet", "episode"]);
    }
}

#[test]
fn perception_names_no_world() {
    never("perception/src", "", &["bevy", "bevy_rapier3d", "roadproof_sim", "roadproof_env", "roadproof_agent"]);
}

#[test]
fn the_task_names_no_network() {
    never("agent/env/src", "", &["burn", "roadproof_perception", "roadproof_agent"]);
}

#[test]
fn learning_names_no_attack_on_decisions_no_run_folder_and_no_clock() {
    never("agent/src", "learn", &["attack", "robustness", "proof", "train", "host", "commands", "std::time"]);
}

#[test]
fn a_driver_names_no_training() {
    never("agent/src", "driver", &["train", "learn", "harden", "attack", "robustness", "commands"]);
}

#[test]
fn only_training_and_the_command_line_name_the_settings_of_a_run() {
    let rooms = ["learn", "harden", "driver", "policy", "memory", "drive", "attack", "robustness", "proof", "watch"];
    for room in rooms.into_iter().chain(["formats", "host"]) {
        never("agent/src", room, &["train::settings"]);
    }
}

#[test]
fn memory_names_no_policy() {
    never("agent/src", "memory", &["policy", "driver", "learn", "train"]);
}

#[test]
fn formats_name_no_drive() {
    never("agent/src", "formats", &["drive", "driver", "train", "learn", "attack", "robustness", "watch"]);
}

#[test]
fn the_machine_names_no_drive() {
    never(
        "agent/src",
        "host",
        &["drive", "driver", "train", "learn", "attack", "robustness", "watch", "roadproof_sim"],
    );
}

#[test]
fn circles_and_names_are_found_where_there_are_some() {
    let names = |text: &str| leaves(text).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(names("crate::a::{b, c::{d, e as f}}"), ["crate::a::b", "crate::a::c::d", "crate::a::c::e"]);
    let module = |name: &str| vec![name.to_owned()];
    let arrows = |pairs: &[(&str, &str)]| {
        let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        pairs.iter().for_each(|(from, to)| {
            arrows.entry(module(from)).or_default().insert(module(to));
        });
        arrows
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec![module("b"), module("c")]));
    let text = "use crate::a::{B, c};\npub use d::E;\nfn f() { crate::g::h(); super::i() }";
    assert_eq!(uses(text).iter().map(|found| found.public).collect::<Vec<_>>(), [false, true]);
    assert_eq!(inline(text), [vec!["crate", "g", "h"], vec!["super", "i"]]);
}
