//! The reference of the format: every type, field, default and range, as the source has them.

/// Every field of a scenario with its default, what it may be and what it means, in Markdown.
pub const REFERENCE: &str = include_str!("../../../scenarios/REFERENCE.md");

/// Makes the reference from the source: `ROADPROOF_BLESS=1 cargo test --release reference` writes it anew.
#[cfg(test)]
mod tests {
    use super::REFERENCE;
    use crate::fault::{FaultKind, Group};
    use crate::outcome::expectations::{Expect, ExpectBy};
    use crate::road::RoadStyle;
    use crate::scenario::EgoStart;
    use crate::scene::light::Light;
    use crate::traffic::Idm;
    use crate::{CameraSettings, parse, vehicle::VehicleSettings};
    use serde::Serialize;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write;
    use std::path::{Path, PathBuf};

    const INTRODUCTION: &str = "# Every field of a scenario\n\n\
        Made from the source, and held against it by a test; `roadproof scenario reference` prints it. \
        [README.md](README.md) says how they are meant.\n\n\
        Units stand in the names: `_m` metres, `_s` seconds, `_mps` metres per second, `_mps2` metres per second squared, `_deg` \
        degrees, `_px` pixels, `_hz` per second. A number may be written with or without a point, a whole number without one. \
        What has a default may be left out; what may be left out and has none is written plainly, `9.0`, or as `Some(9.0)`. \
        Comments are `// …` and `/* … */`.\n\n\
        Each part has a heading here, which a file does not write: fields stand in brackets, `ego: (lane: 0, s_m: 20.0)`, and names \
        that begin with a capital as they stand here, `road: Straight(length_m: 300.0)`. Only the file as a whole may be \
        `Scenario(…)`.\n";

    /// Types that are read by code of their own, and how they are written.
    const WRITTEN: [(&str, &str); 5] = [
        ("Seed", "a whole number, 0 to 18446744073709551615"),
        ("LaneId", "a whole number"),
        ("Span", "two numbers in brackets, `(from, to)` with 0 <= from < to"),
        ("Severity", "a whole number, 1 to 5"),
        ("Recorded", "a text in quotation marks"),
    ];

    /// A struct, or a variant of an enum: its documentation and its fields.
    #[derive(Debug, Default)]
    struct Shape {
        name: String,
        meaning: String,
        fields: Vec<Field>,
        has_defaults: bool,
    }

    #[derive(Debug, Default)]
    struct Field {
        name: String,
        kind: String,
        meaning: String,
        /// Module and name of the function that reads it.
        read_by: Option<String>,
        has_default: bool,
    }

    /// A type with one shape, or with variants.
    #[derive(Debug, Default)]
    struct Kind {
        shape: Shape,
        variants: Vec<Shape>,
        is_enum: bool,
        file: PathBuf,
    }

    /// What stands above an item.
    #[derive(Default)]
    struct Above {
        doc: Vec<String>,
        headed: bool,
        attributes: String,
    }

    impl Above {
        /// Takes in a line that belongs to what comes below; `false` if it is something else.
        fn takes(&mut self, line: &str) -> bool {
            let line = line.trim();
            if let Some(doc) = line.strip_prefix("///") {
                self.headed |= doc.trim_start().starts_with("# ");
                if !self.headed && !doc.trim().is_empty() {
                    self.doc.push(doc.trim().to_owned());
                }
            } else if line.starts_with("#[") {
                self.attributes.push_str(line);
            } else {
                return false;
            }
            true
        }

        fn meaning(&self, constants: &BTreeMap<String, String>) -> String {
            let mut meaning = self.doc.join(" ");
            for (name, value) in constants {
                meaning = meaning.replace(&format!("[`{name}`]"), value);
            }
            meaning
        }

        fn attribute(&self, name: &str) -> Option<&str> {
            let (_, after) = self.attributes.split_once(&format!("{name} = \""))?;
            after.split('"').next()
        }
    }

    fn sources() -> Vec<(PathBuf, String)> {
        let (mut folders, mut found) = (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).expect("a source");
                    found.push((path, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()));
                }
            }
        }
        found
    }

    /// Numbers that documentation speaks of by name, with their units.
    fn constants(sources: &[(PathBuf, String)]) -> BTreeMap<String, String> {
        let constant = |line: &str| {
            let (name, rest) = line.split_once("const ")?.1.split_once(": f32 = ")?;
            let unit = if name.ends_with("_M") {
                " m"
            } else if name.ends_with("_S") {
                " s"
            } else {
                ""
            };
            Some((name.to_owned(), format!("{}{unit}", rest.trim_end_matches(';').trim_end_matches(".0"))))
        };
        sources.iter().flat_map(|(_, text)| text.lines().filter_map(constant)).collect()
    }

    /// Every public type that is read from files, by its name.
    fn kinds(sources: &[(PathBuf, String)]) -> BTreeMap<String, Kind> {
        let constants = constants(sources);
        let mut all = BTreeMap::new();
        for (file, text) in sources {
            let (mut lines, mut above) = (text.lines(), Above::default());
            while let Some(line) = lines.next() {
                if above.takes(line) {
                    continue;
                }
                let above = std::mem::take(&mut above);
                // Kinds of faults are listed in a macro, and told by it.
                let plain = line.trim_start();
                let (is_enum, rest) = match (plain.strip_prefix("pub struct "), plain.strip_prefix("pub enum ")) {
                    (Some(rest), _) => (false, rest),
                    (_, Some(rest)) => (true, rest),
                    _ => continue,
                };
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                let is_written = WRITTEN.iter().any(|(written, _)| *written == name);
                if !above.attributes.contains("Deserialize") && !is_written {
                    continue;
                }
                let shape = Shape {
                    name: name.clone(),
                    meaning: above.meaning(&constants),
                    has_defaults: above.attributes.contains(", default)"),
                    fields: Vec::new(),
                };
                let mut kind = Kind { shape, is_enum, file: file.clone(), ..Kind::default() };
                if line.ends_with('{') && line == plain && !is_written {
                    members(&mut kind, lines.by_ref().take_while(|line| *line != "}"), &constants);
                }
                all.insert(name, kind);
            }
        }
        all
    }

    fn members<'a>(kind: &mut Kind, lines: impl Iterator<Item = &'a str>, constants: &BTreeMap<String, String>) {
        let mut above = Above::default();
        for line in lines {
            if above.takes(line) {
                continue;
            }
            let (depth, above) = (line.len() - line.trim_start().len(), std::mem::take(&mut above));
            let line = line.trim().trim_end_matches(',');
            if let Some((name, of)) = line.split_once(": ") {
                let field = Field {
                    name: name.trim_start_matches("pub ").to_owned(),
                    kind: of.to_owned(),
                    meaning: above.meaning(constants),
                    read_by: above.attribute("deserialize_with").map(str::to_owned),
                    has_default: above.attributes.contains("default"),
                };
                let shape = if kind.is_enum { kind.variants.last_mut().expect("a variant") } else { &mut kind.shape };
                shape.fields.push(field);
            } else if kind.is_enum && depth == 4 && line != "}" {
                let name = line.trim_end_matches(" {}").trim_end_matches(" {").to_owned();
                kind.variants.push(Shape { name, meaning: above.meaning(constants), ..Shape::default() });
            }
        }
    }

    /// What functions of a module allow: by module and name, and in the file alone if that has a module of its own.
    fn ranges(sources: &[(PathBuf, String)]) -> BTreeMap<(Option<PathBuf>, String), String> {
        let mut all = BTreeMap::new();
        for (file, text) in sources.iter().filter(|(_, text)| text.contains("roadproof_range::bounded")) {
            let own = (!file.ends_with("src/range.rs")).then(|| file.clone());
            let mut module = "range";
            for line in text.lines().map(str::trim) {
                if line.starts_with("roadproof_range::bounded") {
                    module = if line.contains("_option!") { "option" } else { "range" };
                }
                let bounds = line.strip_suffix(';').and_then(|line| line.split_once(" = ")?.1.split_once(" to "));
                if let (Some((low, high)), Some((name, _))) = (bounds, line.split_once(": ")) {
                    let number = |text: &str| text.trim_end_matches(".0").to_owned();
                    let allowed = format!("{} to {}", number(low), number(high));
                    all.insert((own.clone(), format!("{module}::{name}")), allowed);
                }
            }
        }
        all
    }

    /// Fields of a value with what they are, as RON has them; what is not on one line is something of its own.
    fn values(value: &impl Serialize) -> BTreeMap<String, String> {
        let text = ron::ser::to_string_pretty(value, ron::ser::PrettyConfig::new()).expect("it has a RON form");
        let field = |line: &str| {
            let (name, value) = line.strip_prefix("    ").filter(|line| !line.starts_with(' '))?.split_once(": ")?;
            let value = value.strip_suffix(',')?;
            Some((name.to_owned(), value.to_owned()))
        };
        text.lines().filter_map(field).collect()
    }

    /// What fields are where a file leaves them out, by type or by variant.
    fn defaults() -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let least = |road: &str| {
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: {road}, \
                 actors: [(name: \"a\", start: (lane: 0, s_m: 40.0, speed_mps: 1.0))])"
            );
            parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()
        };
        let straight = least("Straight(length_m: 90.0)");
        BTreeMap::from([
            ("Straight", values(&straight.road)),
            ("Segments", values(&least("Segments(segments: [Line(length_m: 90.0)])").road)),
            ("Generated", values(&least("Generated(length_m: 90.0)").road)),
            ("ActorSpec", values(&straight.actors[0])),
            ("Scenario", values(&straight)),
            ("EgoStart", values(&EgoStart::default())),
            ("VehicleSettings", values(&VehicleSettings::default())),
            ("CameraSettings", values(&CameraSettings::default())),
            ("RoadStyle", values(&RoadStyle::default())),
            ("Light", values(&Light::default())),
            ("Idm", values(&Idm::default())),
            ("Expect", values(&Expect::default())),
            ("ExpectBy", values(&ExpectBy::default())),
        ])
    }

    /// What the reference is made of.
    struct Source {
        kinds: BTreeMap<String, Kind>,
        ranges: BTreeMap<(Option<PathBuf>, String), String>,
        defaults: BTreeMap<&'static str, BTreeMap<String, String>>,
    }

    impl Source {
        fn reference(&self) -> String {
            let mut text = INTRODUCTION.to_owned();
            let (mut next, mut told) = (vec!["Scenario".to_owned()], BTreeSet::new());
            while let Some(name) = next.pop() {
                if !told.insert(name.clone()) {
                    continue;
                }
                let kind = self.kinds.get(&name).unwrap_or_else(|| panic!("{name} is not in the source"));
                let _ = writeln!(text, "\n## {name}\n\n{}", kind.shape.meaning);
                if let Some((_, written)) = WRITTEN.iter().find(|(written, _)| *written == name) {
                    let _ = writeln!(text, "\nIt is {written}.");
                } else if name == "FaultKind" {
                    text.push_str(&fault_kinds());
                } else {
                    self.members(kind, &mut text);
                }
                let shapes = [&kind.shape].into_iter().chain(&kind.variants);
                let inner: Vec<String> =
                    shapes.flat_map(|shape| &shape.fields).flat_map(|field| self.parts(field)).collect();
                next.extend(inner.into_iter().rev());
            }
            let lost = text.lines().find(|line| line.contains("[`"));
            assert_eq!(lost, None, "a link leads nowhere outside of the source");
            text
        }

        fn members(&self, kind: &Kind, text: &mut String) {
            let _ = writeln!(text);
            if !kind.is_enum {
                self.fields(kind, &kind.shape, text);
                return;
            }
            for variant in &kind.variants {
                if variant.fields.is_empty() {
                    let brackets = if variant.name == "Frozen" { "()" } else { "" };
                    let _ = writeln!(text, "- `{}{brackets}`. {}", variant.name, variant.meaning);
                    continue;
                }
                let _ = writeln!(text, "- `{}(…)`. {}", variant.name, variant.meaning);
                self.fields(kind, variant, text);
            }
        }

        fn fields(&self, kind: &Kind, shape: &Shape, text: &mut String) {
            let indent = if kind.is_enum { "  " } else { "" };
            for field in &shape.fields {
                assert!(!field.meaning.is_empty(), "{}.{} has no documentation", shape.name, field.name);
                let Field { name, meaning, .. } = field;
                let allowed = field.read_by.as_deref().filter(|by| by.contains("::")).map(|by| {
                    let of = |file: Option<PathBuf>| self.ranges.get(&(file, by.to_owned()));
                    of(Some(kind.file.clone())).or_else(|| of(None)).unwrap_or_else(|| panic!("{by} has no range"))
                });
                let allowed = allowed.map_or_else(String::new, |allowed| format!(", {allowed}"));
                let default = self.default(shape, field);
                let _ =
                    writeln!(text, "{indent}- `{name}`: {}{allowed}{default}. {meaning}", self.written(&field.kind));
            }
        }

        fn default(&self, shape: &Shape, field: &Field) -> String {
            if !shape.has_defaults && !field.has_default {
                return "; required".to_owned();
            }
            let value = self.defaults.get(shape.name.as_str()).and_then(|values| values.get(&field.name));
            match value.map(String::as_str) {
                _ if field.kind.starts_with("Vec<") => "; none by default".to_owned(),
                Some("None") | None if field.kind.starts_with("Option<") => "; may be left out".to_owned(),
                None => "; may be left out, as anything in it".to_owned(),
                Some(value) => format!("; `{}` by default", rounded(value)),
            }
        }

        /// How a type is written.
        fn written(&self, kind: &str) -> String {
            let inside = |outer: &str| kind.strip_prefix(outer).and_then(|kind| kind.strip_suffix('>'));
            if let Some(inner) = inside("Option<") {
                return self.written(inner);
            }
            if let Some(inner) = inside("Vec<") {
                return format!("list `[…]` of {}", self.written(inner));
            }
            if let Some(parts) = kind.strip_prefix('(').and_then(|kind| kind.strip_suffix(')')) {
                let part = |part| if part == "u8" { "0 to 255".to_owned() } else { self.written(part) };
                let parts: Vec<String> = parts.split(", ").map(part).collect();
                return format!("({})", parts.join(", "));
            }
            match kind {
                "f32" => "number".to_owned(),
                "u8" | "u16" | "u32" => "whole number".to_owned(),
                "bool" => "`true` or `false`".to_owned(),
                "String" => "text in quotation marks".to_owned(),
                kind => {
                    assert!(self.kinds.contains_key(kind), "{kind} is not in the source");
                    format!("[{kind}](#{})", kind.to_lowercase())
                }
            }
        }

        /// Types of the source that a field is made of.
        fn parts(&self, field: &Field) -> Vec<String> {
            let words = field.kind.split(|c: char| !c.is_alphanumeric());
            words.filter(|word| self.kinds.contains_key(*word)).map(str::to_owned).collect()
        }
    }

    /// A number as people write it.
    fn rounded(value: &str) -> String {
        let long = value.parse::<f32>().ok().filter(|_| value.len() > 8);
        long.map_or_else(|| value.to_owned(), |number| format!("{number:.2}"))
    }

    fn fault_kinds() -> String {
        let mut text = "\n`roadproof faults` shows them and tells what each costs.\n".to_owned();
        let mut last = None;
        for kind in FaultKind::ALL {
            if last.replace(kind.group()) != Some(kind.group()) {
                let group = match kind.group() {
                    Group::Corruption => "The 19 corruptions of ImageNet-C",
                    Group::Timing => "Frames that come late, twice, or not at all",
                    Group::Sensor => "The sensor behind the lens",
                    Group::Lens => "What is on the lens",
                    Group::Weather => "What is in the air, or blinds",
                    Group::Geometry => "Where the camera looks and how it projects",
                    Group::Vehicle => "Not the camera: controls, and what the car knows of itself",
                };
                let _ = writeln!(text, "\n{group}:\n");
            }
            let _ = writeln!(text, "- `{}`. {}", kind.name(), kind.describe().trim());
        }
        text
    }

    #[test]
    fn the_reference_says_what_the_source_says() {
        let sources = sources();
        let source = Source { kinds: kinds(&sources), ranges: ranges(&sources), defaults: defaults() };
        let text = source.reference();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/REFERENCE.md");
        if std::env::var_os("ROADPROOF_BLESS").is_some() {
            std::fs::write(&path, &text).expect("the reference is written");
        }
        let kept = std::fs::read_to_string(&path).expect("the reference");
        assert!(kept == text, "the source says something else than {path:?}; write it anew with ROADPROOF_BLESS=1");
    }

    /// Whatever the parser names as allowed has a line.
    #[test]
    fn the_reference_leaves_nothing_out() {
        for (unknown, part) in [
            ("x: 1", "Scenario(x: 1)"),
            ("x: 1", "Scenario(ego: (x: 1))"),
            ("x: 1", "Scenario(ego: (vehicle: (x: 1)))"),
            ("x: 1", "Scenario(camera: (x: 1))"),
            ("x: 1", "Scenario(light: (x: 1))"),
            ("x: 1", "Scenario(expect: (x: 1))"),
            ("x: 1", "Scenario(expect_by: (x: 1))"),
            ("x: 1", "Scenario(actors: [(x: 1)])"),
            ("x: 1", "Scenario(actors: [(idm: (x: 1))])"),
            ("x: 1", "Scenario(actors: [(start: (x: 1))])"),
            ("x: 1", "Scenario(perturbations: [(x: 1)])"),
            ("x: 1", "Scenario(road: Straight(x: 1))"),
            ("x: 1", "Scenario(road: Segments(x: 1))"),
            ("x: 1", "Scenario(road: Segments(hills: [(x: 1)]))"),
            ("x: 1", "Scenario(road: Generated(style: (x: 1)))"),
            ("X", "Scenario(road: X)"),
            ("X", "Scenario(road: Segments(segments: [X]))"),
            ("X", "Scenario(actors: [(kind: X)])"),
            ("X", "Scenario(actors: [(script: [X])])"),
            ("X", "Scenario(actors: [(script: [Stop(when: X)])])"),
            ("X", "Scenario(perturbations: [(fault: X)])"),
            ("X", "Scenario(expect: (outcome: X))"),
        ] {
            let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
            let error = options.from_str::<crate::Scenario>(part).expect_err("unknown").code;
            let (ron::Error::NoSuchStructField { expected, .. } | ron::Error::NoSuchEnumVariant { expected, .. }) =
                error
            else {
                panic!("{unknown} in {part}: {error}");
            };
            for name in expected {
                let begins = [format!("- `{name}`"), format!("- `{name}(")];
                let told = |line: &str| begins.iter().any(|begin| line.trim_start().starts_with(begin));
                assert!(REFERENCE.lines().any(told), "{name} of {part} is not told");
            }
        }
    }

    #[test]
    fn the_reference_knows_ranges_and_defaults() {
        for known in [
            "\n- `duration_s`: number, 0.1 to 3600; required. ",
            "\n- `substeps`: whole number, 1 to 20; `4` by default. ",
            "\n- `speed_mps`: number, 0 to 60; `0.0` by default. ",
            "\n- `mass_kg`: number, 100 to 50000; `1350.0` by default. ",
            "\n- `min_ttc_s`: number, 0 to 60; may be left out. ",
            "\n- `outcome`: [Outcome](#outcome); `Arrived` by default. ",
            "\n  - `speed_limit_mps`: number, 1 to 60; `13.89` by default. ",
            "\n  - `kind`: [FaultKind](#faultkind); required. ",
            "\n- `Fog`. Fog as a fractal cloud",
            "more than 1.5 m, the car rolled over",
        ] {
            assert!(REFERENCE.contains(known), "{known:?}");
        }
    }
}
