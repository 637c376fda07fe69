//! Runs beside each other: what each came to, the spread over seeds of equal settings, and the settings in which they differ.

use crate::about::{Parent, Weights};
use crate::host::program::quoted;
use crate::host::run_folder::{RunFolder, SETTINGS_FILE};
use crate::learn::Algorithm;
use crate::train::RESULT_FILE;
use crate::train::assignments::Assignment;
use crate::train::settings::Settings;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A run that has ended.
#[derive(Clone, Debug, Serialize)]
pub struct EndedRun {
    /// The folder as it was given.
    pub run: String,
    /// Its training seed.
    pub seed: u64,
    /// Which of the settings it has, by place.
    pub settings: usize,
    /// The roads that it was evaluated on.
    pub roads: String,
    /// What the clock cut short.
    pub cut: Vec<String>,
    /// Why it is in no mean, if it is in none: it was cut short, or has the bits of another.
    pub left_out: Option<String>,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What a driver came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean driving score, 0 to 100.
    pub driving_score: f32,
    /// Share of the roads on which it arrived, 0 to 1.
    pub arrived: f32,
    /// Share on which it hit something.
    pub collided: f32,
    /// Share on which it left the road.
    pub off_road: f32,
    /// Share on which it arrived within nuPlan's bounds of comfort.
    pub arrived_comfortably: f32,
}

impl Figures {
    /// Each by name, as a figure for people.
    pub const SHOWN: [(&'static str, fn(&Self) -> f32); 5] = [
        ("score", |figures| figures.driving_score),
        ("arrived %", |figures| 100.0 * figures.arrived),
        ("hit %", |figures| 100.0 * figures.collided),
        ("off %", |figures| 100.0 * figures.off_road),
        ("comfort %", |figures| 100.0 * figures.arrived_comfortably),
    ];
}

/// Runs beside each other.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The runs, in the order in which they were given.
    pub runs: Vec<EndedRun>,
    /// How many settings there are that differ in more than seed, time and threads.
    pub settings: usize,
    /// The settings that are not the same in all, by name, with the value in each; none where a value has no place.
    pub differences: BTreeMap<String, Vec<Option<String>>>,
}

/// What is read of a result.
#[derive(Deserialize)]
struct ResultOnDisk {
    about: AboutOnDisk,
    #[serde(default)]
    cut: BTreeMap<String, serde_json::Value>,
    /// Older versions do not say.
    #[serde(default = "said_by_few")]
    repeatable: bool,
    drivers: Vec<DriverOnDisk>,
}

fn said_by_few() -> bool {
    true
}

#[derive(Deserialize)]
struct AboutOnDisk {
    roads: Option<RoadsOnDisk>,
    driver: Option<WhoOnDisk>,
}

#[derive(Deserialize)]
struct WhoOnDisk {
    weights: Option<Weights>,
    parent: Option<Parent>,
}

/// What a run began with, as far as it makes another experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Begun(Option<Parent>);

impl Begun {
    /// Whatever the other run is called.
    fn with(parent: Option<Parent>) -> Self {
        Self(parent.map(|parent| {
            let Parent { weights, perception_alone, .. } = parent;
            // Of a perception that was taken alone the policy is no matter.
            let policy = if perception_alone { String::new() } else { weights.policy };
            Parent { name: String::new(), weights: Weights { policy, ..weights }, perception_alone }
        }))
    }

    fn perceives_alike(&self) -> bool {
        self.0.as_ref().is_some_and(|parent| parent.perception_alone)
    }

    fn told(&self, name: &str) -> String {
        match &self.0 {
            None => "fresh weights".to_owned(),
            Some(parent) if parent.perception_alone => format!("the perception of {name}"),
            Some(_) => format!("the weights of {name}"),
        }
    }
}

#[derive(Deserialize)]
struct RoadsOnDisk {
    split: String,
    seed: String,
    roads: usize,
}

#[derive(Deserialize)]
struct DriverOnDisk {
    estimates: EstimatesOnDisk,
}

#[derive(Deserialize)]
struct EstimatesOnDisk {
    driving_score: Value,
    arrived: Value,
    collided: Value,
    off_road: Value,
    arrived_comfortably: Value,
}

#[derive(Deserialize)]
struct Value {
    value: f32,
}

/// Reads runs that have ended, and holds them against each other.
///
/// # Errors
/// A folder that is no run, one that has not ended, and a result of another version.
pub fn compare(folders: &[String]) -> anyhow::Result<Comparison> {
    let mut kinds: Vec<(Settings, Begun)> = Vec::new();
    let (mut told, mut known) = (Vec::new(), Vec::new());
    let mut runs: Vec<EndedRun> = Vec::new();
    for folder in folders {
        let settings = Settings::read(&RunFolder::open(Path::new(folder))?.path(SETTINGS_FILE))?;
        let seed = settings.seed;
        let computes_repeatably = settings.computes_repeatably();
        let (run, WhoOnDisk { weights, parent }, broken_off) = read(folder)?;
        let name = parent.as_ref().map(|parent| parent.name.clone()).unwrap_or_default();
        let begun = Begun::with(parent);
        let kind = (alike(settings, &begun), begun);
        let place = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            told.push(kind.1.told(&name));
            kinds.push(kind);
            kinds.len() - 1
        });
        let twin = known.iter().position(|other| weights.is_some() && *other == weights);
        let twin = twin.map(|twin| format!("it has the bits of {}", runs[twin].run));
        let cut = (!run.cut.is_empty()).then(|| format!("it was cut short in {}", run.cut.join(", ")));
        known.push(weights);
        let broken = broken_off && computes_repeatably;
        let broken =
            broken.then(|| "a session was broken off and could not go on to the bit, or a clock had a say".to_owned());
        runs.push(EndedRun { seed, settings: place, left_out: cut.or(twin).or(broken), ..run });
    }
    let mut differences = differences(&kinds.iter().map(|(settings, _)| settings.clone()).collect::<Vec<_>>());
    if told.iter().any(|begun| *begun != told[0]) {
        differences.insert("begun with".to_owned(), told.into_iter().map(Some).collect());
    }
    Ok(Comparison { runs, settings: kinds.len(), differences })
}

/// The settings without what makes no other experiment: what has no effect, too.
fn alike(settings: Settings, begun: &Begun) -> Settings {
    let Settings { seed, minutes, threads, save_every_s, learn, ppo, dqn, dagger, .. } = Settings::default();
    let mut alike = Settings { seed, minutes, threads, save_every_s, learn, ppo, dqn, dagger, ..settings };
    if begun.perceives_alike() {
        let Settings { collect, perceive, .. } = Settings::default();
        (alike.collect, alike.perceive) = (collect, perceive);
    }
    match settings.algorithm {
        Algorithm::Pqn => Settings { learn: settings.learn, ..alike },
        Algorithm::Ppo => Settings { ppo: settings.ppo, ..alike },
        Algorithm::Dqn => Settings { dqn: settings.dqn, ..alike },
        Algorithm::Dagger => Settings { dagger: settings.dagger, ..alike },
    }
}

/// The result of a run; none of one that has not ended, or was stopped before its evaluation.
fn result(folder: &str) -> anyhow::Result<Option<ResultOnDisk>> {
    let path = Path::new(folder).join(RESULT_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let result: ResultOnDisk = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a result that this version reads", path.display()))?;
    Ok(Some(result).filter(|result| !result.drivers.is_empty()))
}

/// Whether a run has ended.
///
/// # Errors
/// A result that cannot be read.
pub fn has_ended(folder: &str) -> anyhow::Result<bool> {
    Ok(result(folder)?.is_some())
}

/// A run, who it made, and whether it is other than one that was left alone would be.
fn read(folder: &str) -> anyhow::Result<(EndedRun, WhoOnDisk, bool)> {
    let not_ended =
        || format!("{folder}: the run has not ended; go on with: roadproof train --resume {}", quoted(folder));
    let result = result(folder)?.with_context(not_ended)?;
    let driver = result.drivers.first().with_context(not_ended)?;
    let EstimatesOnDisk { driving_score, arrived, collided, off_road, arrived_comfortably } = &driver.estimates;
    let roads = result.about.roads.map(|RoadsOnDisk { split, seed, roads }| format!("{roads} {split} of seed {seed}"));
    let who = result.about.driver.unwrap_or(WhoOnDisk { weights: None, parent: None });
    let run = EndedRun {
        left_out: None,
        run: folder.to_owned(),
        seed: 0,
        settings: 0,
        roads: roads.unwrap_or_default(),
        cut: result.cut.into_keys().collect(),
        figures: Figures {
            driving_score: driving_score.value,
            arrived: arrived.value,
            collided: collided.value,
            off_road: off_road.value,
            arrived_comfortably: arrived_comfortably.value,
        },
    };
    Ok((run, who, !result.repeatable))
}

/// The settings in which some differ, by name. Of an algorithm that not all of them use, those that are not as they are by default.
fn differences(kinds: &[Settings]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (place, kind) in kinds.iter().enumerate() {
        let unused = kind.unused_sections();
        for assignment in Assignment::all_of(&kind.to_ron()) {
            if unused.contains(&assignment.section()) {
                continue;
            }
            let (name, value) = assignment.into_parts();
            all.entry(name).or_insert_with(|| vec![None; kinds.len()])[place] = Some(value);
        }
    }
    let usual: BTreeMap<String, String> =
        Assignment::all_of(&Settings::default().to_ron()).into_iter().map(Assignment::into_parts).collect();
    let of_algorithm = |name: &str| Algorithm::ALL.iter().any(|one| name.split('.').next() == Some(one.section()));
    all.retain(|name, values| {
        let told = values.iter().flatten().any(|value| usual.get(name) != Some(value));
        values.iter().any(|value| *value != values[0]) && (told || !of_algorithm(name))
    });
    all
}

impl Comparison {
    /// The figures of all runs of one kind of settings that count.
    #[must_use]
    pub fn of_settings(&self, place: usize) -> Vec<Figures> {
        let counts = |run: &&EndedRun| run.settings == place && run.left_out.is_none();
        self.runs.iter().filter(counts).map(|run| run.figures).collect()
    }

    /// Whether all were evaluated on the same roads.
    #[must_use]
    pub fn same_roads(&self) -> bool {
        self.runs.windows(2).all(|two| two[0].roads == two[1].roads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of a run that began afresh.
    fn of(settings: Settings) -> Settings {
        alike(settings, &Begun::default())
    }

    fn set(text: &str) -> [Assignment; 1] {
        [text.parse().expect("a name and a value")]
    }

    #[test]
    fn settings_that_differ_are_named_and_seeds_are_no_difference() {
        let seeds = [1, 2].map(|seed| of(Settings { seed, minutes: Some(seed as f64), ..Settings::default() }));
        assert_eq!(seeds[0], seeds[1]);
        let hard = of(Settings::default().hardened(false));
        let found = differences(&[seeds[0].clone(), hard]);
        assert_eq!(found["collect.close"], [Some("None".to_owned()), Some("0.15".to_owned())]);
        assert_eq!(found["harden"], [Some("None".to_owned()), None]);
        assert_eq!(found["harden.ramp"], [None, Some("0.4".to_owned())]);
        // What the other does not use is no difference, but for what somebody chose of it.
        let ppo = of(Settings { algorithm: Algorithm::Ppo, ..Settings::default() }
            .with(&set("learn.gamma=0.5"))
            .expect("settings"));
        let found_of_ppo = differences(&[seeds[0].clone(), ppo.clone()]);
        assert_eq!(found_of_ppo.keys().collect::<Vec<_>>(), ["algorithm"]);
        assert_eq!(ppo, of(Settings { algorithm: Algorithm::Ppo, ..Settings::default() }));
        let chosen = of(Settings::default().with(&set("learn.gamma=0.5")).expect("settings"));
        assert_eq!(differences(&[chosen, ppo])["learn.gamma"], [Some("0.5".to_owned()), None]);
        assert!(!found.contains_key("learn.gamma") && differences(&seeds[..1]).is_empty());
    }
}
