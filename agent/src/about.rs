//! Where a result comes from: which program made it, by which command, of which driver, on which roads. Every file of results begins
//! with it, so that two of them can be told apart and made again.

use crate::driver::{Driver, LearnedDriver};
use crate::formats::ron_file;
use crate::host::console::note;
use crate::host::program;
use crate::policy::QNetwork;
use roadproof_perception::Perception;
use roadproof_sim::Split;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Where a result comes from.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Version of the file's shape.
    pub format: u32,
    /// Version of the program.
    pub roadproof: &'static str,
    /// The commit that it was built from, where that is known, with `+changes` where the sources are no longer those.
    pub commit: Option<&'static str>,
    /// Optional parts that were built in.
    pub features: Vec<&'static str>,
    /// The command, as one would type it in a shell.
    pub command: String,
    /// When the program was started, in UTC.
    pub started: &'static str,
    /// Who drives.
    pub driver: Option<AboutDriver>,
    /// Which roads are driven.
    pub roads: Option<AboutRoads>,
    /// The settings that the driver was trained under.
    pub settings: Option<serde_json::Value>,
}

/// A driver.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AboutDriver {
    /// The name or folder that was given.
    pub name: String,
    /// Its weights; none for who has learnt nothing.
    pub weights: Option<Weights>,
    /// The driver whose weights its training began with.
    pub parent: Option<Parent>,
    /// Whether it drives by what only the simulator knows.
    pub knows_the_truth: bool,
}

/// Weights, by the xxh3 of their files in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// `perception.safetensors`; none for who looks through no camera.
    pub perception: Option<String>,
    /// `policy.safetensors`.
    pub policy: String,
}

/// Whether the bytes of a file are those of a result that the command which runs now writes, of whatever version of the program: a run's
/// own record, or hours of another command's work, are lost by no slip of the fingers.
#[must_use]
pub fn is_result(bytes: &[u8]) -> bool {
    is_result_of(bytes, &program::typed_command())
}

fn is_result_of(bytes: &[u8], command: &str) -> bool {
    let (now, is) = (subcommand(command), |name: &str| subcommand(command) == Some(name));
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(serde_json::Value::Array(figures)) => {
            is("bench") && figures.first().is_some_and(|figure| figure["per_second"].is_number())
        }
        Ok(result) => match result["about"]["command"].as_str() {
            Some(then) => subcommand(then) == now && !is("train"),
            None => is("compare") && result["differences"].is_object(),
        },
        Err(_) => false,
    }
}

/// The name of the command in a line as one types it: the first word that is no option, nor the value of one.
fn subcommand(command: &str) -> Option<&str> {
    let mut words = command.split(' ').skip(1);
    while let Some(word) = words.next() {
        match word {
            "-j" | "--jobs" => _ = words.next(),
            option if option.starts_with('-') => {}
            name => return Some(name),
        }
    }
    None
}

/// File of a run folder that says which driver the run began as.
pub const PARENT_FILE: &str = "parent.ron";

/// A driver that another began as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The name or folder that was given.
    pub name: String,
    /// Its weights.
    pub weights: Weights,
    /// Whether its perception alone was taken, as it is.
    #[serde(default)]
    pub perception_alone: bool,
}

impl Parent {
    /// A driver by the name that was given.
    #[must_use]
    pub fn of(name: &str, driver: &LearnedDriver) -> Self {
        Self {
            name: name.to_owned(),
            weights: Weights::of(Some(driver.perception()), driver.policy()),
            perception_alone: false,
        }
    }

    /// The driver that the run in a folder began as; none for a fresh one, where there is no run, and where what it says cannot be
    /// read, which is noted.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        let file = folder.join(PARENT_FILE);
        if !file.exists() {
            return None;
        }
        ron_file::read(&file)
            .inspect_err(|error| note(format_args!("what the run began as is not known: {error}")))
            .ok()
    }

    /// What [`PARENT_FILE`] holds.
    #[must_use]
    pub fn to_ron(&self) -> String {
        ron_file::text_of("The driver whose weights, or whose perception alone, this run began with.", self)
    }
}

/// Some roads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AboutRoads {
    /// Which family they are of.
    pub split: Split,
    /// Where they are drawn from.
    #[serde(serialize_with = "as_text")]
    pub seed: u64,
    /// How many.
    pub roads: usize,
}

/// Settings as JSON with the numbers that people wrote: by way of text, because a value on its own would widen each f32, digits and all.
///
/// # Errors
/// What cannot be JSON.
pub fn as_written(settings: &impl Serialize) -> serde_json::Result<serde_json::Value> {
    serde_json::from_str(&serde_json::to_string(settings)?)
}

/// A number as text: beyond 2^53 many readers of JSON round.
pub(crate) fn as_text<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(number)
}

impl About {
    /// What this process makes now.
    #[must_use]
    pub fn this(format: u32) -> Self {
        Self {
            format,
            roadproof: program::VERSION,
            commit: program::COMMIT,
            features: program::features(),
            command: program::typed_command(),
            started: program::started(),
            driver: None,
            roads: None,
            settings: None,
        }
    }

    /// The same, of a driver by the name that was given.
    #[must_use]
    pub fn of(self, name: &str, driver: &Driver) -> Self {
        Self { driver: Some(AboutDriver::of(name, driver)), ..self }
    }

    /// The name of the driver, if there is one.
    #[must_use]
    pub fn driver_name(&self) -> &str {
        self.driver.as_ref().map_or("", |driver| &driver.name)
    }

    /// As text by name, for formats that have nothing else: what is more than a word is JSON.
    #[must_use]
    pub fn as_words(&self) -> BTreeMap<String, String> {
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(self) else { return BTreeMap::new() };
        let word = |value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, word(value))).collect()
    }
}

impl AboutDriver {
    /// A driver by the name that was given.
    #[must_use]
    pub fn of(name: &str, driver: &Driver) -> Self {
        let weights = match driver {
            Driver::Learned(driver) | Driver::Blind(driver) => {
                Some(Weights::of(Some(driver.perception()), driver.policy()))
            }
            Driver::Odometry(driver) => Some(Weights::of(None, driver.policy())),
            Driver::Scripted | Driver::Straight | Driver::Random(_) | Driver::Program(_) => None,
        };
        // A driver that ships has no run folder, whatever is called like it here.
        let is_folder = !Driver::NAMES.contains(&name);
        let parent = weights.as_ref().filter(|_| is_folder).and_then(|_| Parent::read(Path::new(name)));
        let knows_the_truth = match driver {
            Driver::Scripted => true,
            Driver::Program(driver) => driver.knows_the_truth(),
            _ => false,
        };
        Self { name: name.to_owned(), weights, parent, knows_the_truth }
    }
}

impl Weights {
    /// Those of these networks.
    #[must_use]
    pub fn of(perception: Option<&Perception>, policy: &QNetwork) -> Self {
        let digest = |bytes: Vec<u8>| format!("{:016x}", xxh3_64(&bytes));
        // Networks that were read have a form to be written in.
        let perception = perception.map(|perception| digest(perception.to_bytes().unwrap_or_default()));
        Self { perception, policy: digest(policy.to_bytes().unwrap_or_default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_replaced_by_the_command_that_wrote_it_alone() {
        let result = |command: &str| format!("{{\"about\": {{\"command\": {command:?}}}}}").into_bytes();
        let evaluated = result("roadproof -q -j 2 evaluate shipped --json a.json");
        assert!(is_result_of(&evaluated, "roadproof evaluate scripted --json a.json"));
        assert!(!is_result_of(&evaluated, "roadproof --quiet replay --json a.json"));
        for command in ["roadproof evaluate --json runs/a/result.json", "roadproof train --json x"] {
            assert!(!is_result_of(&result("roadproof train --out runs/a"), command), "{command}");
        }
        let bench = br#"[{"per_second": 3.0}]"#;
        assert!(is_result_of(bench, "roadproof bench --json b") && !is_result_of(bench, "roadproof evaluate --json b"));
        assert!(!is_result_of(b"{}", "roadproof evaluate") && !is_result_of(b"precious", "roadproof evaluate"));
    }

    #[test]
    fn weights_are_known_by_the_digest_of_their_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/weights");
        let digest = |file: &str| {
            let bytes = std::fs::read(folder.join(file)).expect("the weights that ship");
            format!("{:016x}", xxh3_64(&bytes))
        };
        let of = |name: &str| {
            let driver = Driver::named(name, None).expect("it is built in");
            AboutDriver::of(name, &driver).weights
        };
        for (name, at) in [("shipped", ""), ("hardened", "hardened/")] {
            let weights = of(name).expect("it has learnt");
            assert_eq!(weights.policy, digest(&format!("{at}policy.safetensors")), "{name}");
            assert_eq!(weights.perception, Some(digest(&format!("{at}perception.safetensors"))), "{name}");
        }
        let odometry = of("odometry").expect("it has learnt");
        assert_eq!((odometry.perception, odometry.policy), (None, digest("odometry/policy.safetensors")));
        assert_eq!(of("scripted"), None);
    }

    #[test]
    fn a_result_says_where_it_comes_from() {
        let driver = Driver::named("straight", None).expect("it is built in");
        let about = About::this(7).of("straight", &driver);
        let roads = AboutRoads { split: Split::HeldOut, seed: u64::MAX, roads: 3 };
        let json = serde_json::to_value(About { roads: Some(roads), ..about }).expect("JSON");
        assert_eq!((&json["format"], &json["driver"]["name"]), (&7.into(), &"straight".into()));
        assert_eq!(json["roads"]["seed"], "18446744073709551615");
        assert!(
            json["started"].as_str().is_some_and(|started| started.ends_with('Z') && started.len() == 20),
            "{json}"
        );
        assert!(json["command"].as_str().is_some_and(|command| command.starts_with("roadproof")), "{json}");
    }
}
