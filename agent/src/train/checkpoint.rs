//! What a run has learnt so far and how far it has come, on disk; saved as it goes, so that little is lost whatever happens.

use crate::about::{PARENT_FILE, Parent};
use crate::driver::{LearnedDriver, PERCEPTION_FILE, POLICY_FILE};
use crate::formats::parts::Parts;
use crate::host::console::note;
use crate::host::program;
use crate::host::run_folder::{RunFolder, RunFolderError, SETTINGS_FILE};
use crate::policy::{PolicySettings, QNetwork};
use crate::train::assignments::differences;
use crate::train::settings::Settings;
use roadproof_perception::weights::WeightsError;
use roadproof_perception::{Perception, PerceptionSettings};
use roadproof_sim::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// File that says how far a run has come.
pub const PROGRESS_FILE: &str = "progress.ron";
/// Weights that a run begins with, if it does not begin afresh.
const START_PERCEPTION_FILE: &str = "start_perception.safetensors";
const START_POLICY_FILE: &str = "start_policy.safetensors";

/// Name of stage 1.
pub const COLLECT: &str = "collect";
/// Name of stage 2.
pub const PERCEIVE: &str = "perceive";
/// Name of stage 3.
pub const LEARN: &str = "learn";
/// Name of stage 4.
pub const EVALUATE: &str = "evaluate";
/// Name of what is done beside the stages: measuring how long they will take.
pub const PLAN: &str = "plan";

/// Minutes that are recommended, over those that are expected.
const TO_SPARE: f64 = 1.25;
/// File of a stage that is under way: all that it goes on from to the bit. Beside it stands the one before, for whoever was broken off while
/// it was written.
fn snapshot_files(stage: &str) -> [String; 2] {
    [format!("{stage}.snapshot"), format!("{stage}.snapshot.before")]
}

/// Names in such a file: under which settings it was made, and how many units were done.
const SETTINGS: &str = "settings";
const UNITS: &str = "units";
/// Whether the clock had had a say by then, and the program that wrote it: another may compute otherwise.
const CUT_SHORT: &str = "cut_short";
const PROGRAM: &str = "program";

/// A stage that the clock ended before its work was done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Units done.
    pub done: u64,
    /// Units that the settings ask for.
    pub planned: u64,
    /// Minutes that the whole run was given.
    pub minutes: f64,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Optimiser steps of perception.
    pub perceive_steps: usize,
    /// Steps of the attack that perception learns from, once they are more than the settings say.
    #[serde(default)]
    pub attack_steps: Option<usize>,
    /// Whether the driver learns without a camera, and there is no perception to train.
    #[serde(default)]
    pub sightless: bool,
    /// Whether all work of perception is done.
    pub perceived: bool,
    /// Updates of the policy.
    pub learn_updates: usize,
    /// Whether all work of the policy is done.
    pub learned: bool,
    /// Roads the policy has learnt on.
    pub roads: u64,
    /// Whether the driver was evaluated as it is now.
    #[serde(default)]
    pub evaluated: bool,
    /// Seconds spent in each stage, all sessions together.
    pub wall_clock_s: BTreeMap<String, f64>,
    /// Stages that the clock ended, by name; more minutes take them up again.
    #[serde(default)]
    pub cut: BTreeMap<String, Cut>,
    /// Whether the clock had a say in what was learnt, or a stage was broken off and could not go on to the bit: the run is then not
    /// repeatable.
    pub cut_short: bool,
    /// The settings that all of it was made under, as text; in older runs a digest of them, or nothing.
    #[serde(default)]
    pub settings: String,
    /// How well perception sees, as JSON; `None` until it is trained.
    #[serde(default)]
    pub perception_report: Option<String>,
}

impl Progress {
    /// What no run can have written.
    fn check(&self) -> Result<(), String> {
        let Self { perceive_steps, perceived, learn_updates, learned, .. } = self;
        if *perceived && *perceive_steps == 0 {
            return Err("perceived = true with perceive_steps = 0".to_owned());
        }
        if *learned && (!self.perception_has_ended() || *learn_updates == 0) {
            return Err(format!("learned = true with perceived = {perceived} and learn_updates = {learn_updates}"));
        }
        if let Some((stage, seconds)) =
            self.wall_clock_s.iter().find(|(_, seconds)| !(seconds.is_finite() && **seconds >= 0.0))
        {
            return Err(format!("wall_clock_s of {stage} = {seconds}"));
        }
        let whole = |(stage, cut): &(&String, &Cut)| {
            [COLLECT, PERCEIVE, LEARN].contains(&stage.as_str()) && cut.done < cut.planned && cut.minutes > 0.0
        };
        if let Some((stage, cut)) = self.cut.iter().find(|cut| !whole(cut)) {
            return Err(format!("cut of {stage} = {cut:?}"));
        }
        match self.perception_report.as_deref().map(serde_json::from_str::<serde_json::Value>) {
            Some(Err(error)) => Err(format!("perception_report: {error}")),
            _ => Ok(()),
        }
    }

    /// Seconds spent in all stages and sessions.
    #[must_use]
    pub fn spent_s(&self) -> f64 {
        self.wall_clock_s.values().sum()
    }

    /// Whether perception has ended, by its work or by the clock, or there is none.
    #[must_use]
    pub fn perception_has_ended(&self) -> bool {
        self.sightless || self.perceived || self.cut.contains_key(PERCEIVE)
    }

    /// Whether the policy has ended, by its work or by the clock.
    #[must_use]
    pub fn policy_has_ended(&self) -> bool {
        self.learned || self.cut.contains_key(LEARN)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.perception_has_ended() && self.policy_has_ended() && self.evaluated
    }

    /// Takes up the stages that the clock of an earlier session ended, if the run has more minutes now and has not spent them.
    pub fn take_up(&mut self, minutes: Option<f64>) {
        let spent = self.spent_s() / 60.0;
        let mut takes_up = |stage: &str| {
            let cut = self.cut.get(stage);
            let more = cut.is_some_and(|cut| minutes.is_none_or(|minutes| minutes > cut.minutes.max(spent)));
            more && self.cut.remove(stage).is_some()
        };
        let (perceives, learns) = (takes_up(PERCEIVE), takes_up(LEARN));
        if perceives {
            // Frames are collected anew, and whatever comes later was made for the perception that there was.
            self.cut.remove(COLLECT);
            self.learned = false;
        }
        self.evaluated &= !perceives && !learns;
    }

    /// Whole minutes, with some to spare, that the run needs in all for the work that the clock left; `None` if more time
    /// would not take up anything.
    #[must_use]
    pub fn minutes_needed(&self) -> Option<u64> {
        let left_s = |stage: &str| {
            let cut = self.cut.get(stage)?;
            let spent_s = self.wall_clock_s.get(stage).copied().unwrap_or(0.0);
            Some(spent_s / cut.done.max(1) as f64 * cut.planned.saturating_sub(cut.done) as f64)
        };
        let perceive_s = left_s(PERCEIVE);
        // Frames are not kept, so all of them are collected again.
        let collect_s = |_| left_s(COLLECT).unwrap_or(0.0) + self.wall_clock_s.get(COLLECT).copied().unwrap_or(0.0);
        let again_s = perceive_s.map(collect_s).into_iter().chain(perceive_s).chain(left_s(LEARN));
        let evaluate_s = self.wall_clock_s.get(EVALUATE).copied().unwrap_or(0.0);
        let all_s = again_s.reduce(|sum, seconds| sum + seconds)? + self.spent_s() + evaluate_s;
        // No stage is taken up for less than it had.
        let had = self.cut.values().map(|cut| cut.minutes.floor() as u64 + 1).max().unwrap_or(0);
        Some(had.max((TO_SPARE * all_s / 60.0).ceil() as u64))
    }
}

/// What the clock cut short, stage by stage: `perceive (33 of 120) and learn (5888 of 10240)`.
#[must_use]
pub fn cut_in_words(cut: &BTreeMap<String, Cut>) -> String {
    let stages = [COLLECT, PERCEIVE, LEARN].into_iter().filter_map(|stage| Some((stage, cut.get(stage)?)));
    let mut each: Vec<String> =
        stages.map(|(stage, Cut { done, planned, .. })| format!("{stage} ({done} of {planned})")).collect();
    let last = each.pop().unwrap_or_default();
    if each.is_empty() { last } else { format!("{} and {last}", each.join(", ")) }
}

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The run folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The record of progress is not one.
    #[error("not a record of progress: {reason}: {path:?}")]
    Progress {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The settings are not those that the run was begun with.
    #[error(
        "settings have changed since the run was begun, so that it would be the run of neither: {}; put them back, or begin another run \
         with its weights: roadproof train --from RUN --config {path:?}",
        changed.join(", ")
    )]
    Settings {
        /// Each that has changed, with what it was and what it is.
        changed: Vec<String>,
        /// The file with what they are.
        path: PathBuf,
    },
}

/// What this program is.
fn this_program() -> String {
    format!("{} {}", program::VERSION, program::COMMIT.unwrap_or("without a commit"))
}

/// All settings that the work depends on, as text.
fn what_matters(settings: &Settings) -> String {
    let Settings { minutes, threads, evaluate, save_every_s, .. } = Settings::default();
    let matters = Settings { minutes, threads, evaluate, save_every_s, ..settings.clone() };
    matters.to_ron()
}

/// What has changed since a run was begun under the settings of a text; nothing if that is none that this version reads.
fn changed_since(begun: &str, settings: &Settings, folder: &Path) -> Vec<String> {
    // What that version did not know yet is at its default.
    Settings::parse(begun, folder).map_or_else(
        |_| Vec::new(),
        |begun| differences(&what_matters(&begun), &what_matters(settings)).map(|it| it.to_string()).collect(),
    )
}

/// A run's checkpoint.
pub struct Checkpoint {
    run: RunFolder,
    /// How far the run has come.
    pub progress: Progress,
    /// The stage under way, and until when its time is noted.
    stage: (&'static str, Instant),
    saved: Instant,
    every: Duration,
    /// What the stage under way goes on from, until it takes it.
    kept: Option<(&'static str, Parts)>,
}

impl Checkpoint {
    /// The checkpoint of a run that begins.
    #[must_use]
    pub fn fresh(run: RunFolder) -> Self {
        Self::with_progress(run, Progress::default())
    }

    /// The checkpoint of a run that begins with the weights of another driver; they are copied into the run.
    ///
    /// # Errors
    /// [`CheckpointError`] if they cannot be written.
    pub fn from_driver(run: RunFolder, name: &str, driver: &LearnedDriver) -> Result<Self, CheckpointError> {
        run.write(START_PERCEPTION_FILE, &driver.perception().to_bytes()?)?;
        run.write(START_POLICY_FILE, &driver.policy().to_bytes()?)?;
        run.write(PARENT_FILE, Parent::of(name, driver).to_ron().as_bytes())?;
        Ok(Self::fresh(run))
    }

    /// The checkpoint of a run that takes another driver's perception as it is, of so many steps, and learns a policy on it.
    ///
    /// # Errors
    /// [`CheckpointError`] if the weights cannot be written.
    pub fn with_perception(
        run: RunFolder,
        name: &str,
        driver: &LearnedDriver,
        steps: usize,
    ) -> Result<Self, CheckpointError> {
        run.write(PERCEPTION_FILE, &driver.perception().to_bytes()?)?;
        let parent = Parent { perception_alone: true, ..Parent::of(name, driver) };
        run.write(PARENT_FILE, parent.to_ron().as_bytes())?;
        let progress = Progress { perceive_steps: steps, perceived: true, ..Progress::default() };
        Ok(Self::with_progress(run, progress))
    }

    /// The checkpoint of a run that goes on.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is no record of its progress, or a damaged one.
    pub fn resume(run: RunFolder) -> Result<Self, CheckpointError> {
        let bytes = run.read(PROGRESS_FILE)?;
        let bad = |reason: String| CheckpointError::Progress { reason, path: run.path(PROGRESS_FILE) };
        let text = text::from_bytes(bytes).map_err(|error| bad(error.to_string()))?;
        let progress: Progress = ron::from_str(&text).map_err(|error| bad(error.to_string()))?;
        progress.check().map_err(bad)?;
        Ok(Self::with_progress(run, progress))
    }

    /// Finds what the stage that was broken off goes on from to the bit. Where there is nothing it goes on from its weights alone, with a
    /// fresh optimiser and other random numbers.
    ///
    /// # Errors
    /// [`CheckpointError::Settings`] if they are not those that the run was begun with; nothing has been written then.
    pub fn find_place(&mut self, settings: &Settings) -> Result<(), CheckpointError> {
        let changed = changed_since(&self.progress.settings, settings, self.run.root());
        if !changed.is_empty() {
            return Err(CheckpointError::Settings { changed, path: self.run.path(SETTINGS_FILE) });
        }
        self.begin_under(settings);
        let stage = if self.progress.perception_has_ended() { LEARN } else { PERCEIVE };
        self.kept = self.read_kept(stage, settings).map(|parts| (stage, parts));
        let units = self.kept.as_ref().and_then(|(_, parts)| parts.value(UNITS).ok());
        let hurried = self.kept.as_ref().is_some_and(|(_, parts)| parts.value(CUT_SHORT) != Ok(false));
        self.progress.cut_short |= hurried;
        let Progress { perceive_steps, learn_updates, perceived, learned, cut_short, .. } = &mut self.progress;
        let (done, ended) = if stage == LEARN { (learn_updates, learned) } else { (perceive_steps, perceived) };
        match units {
            Some(units) => *done = units,
            None if *done > 0 && !*ended => {
                *cut_short = true;
                note(format_args!(
                    "note: what {stage} was to go on from to the bit is not there: it goes on from its weights alone, to other bits than \
                     a run that was left alone"
                ));
            }
            None => {}
        }
        Ok(())
    }

    fn read_kept(&self, stage: &str, settings: &Settings) -> Option<Parts> {
        for name in snapshot_files(stage) {
            let path = self.run.path(&name);
            if !path.exists() {
                continue;
            }
            let parts = std::fs::read(&path).map_err(|error| error.to_string());
            match parts.and_then(|bytes| Parts::from_bytes(&bytes).map_err(|error| error.to_string())) {
                Ok(parts) if parts.get(PROGRAM) != Ok(this_program().as_bytes()) => {
                    note(format_args!("note: another version of the program wrote {name}, so that it is left aside"));
                }
                Ok(parts) => {
                    let then = String::from_utf8_lossy(parts.get(SETTINGS).unwrap_or_default()).into_owned();
                    if then == what_matters(settings) {
                        return Some(parts);
                    }
                    note(format_args!("note: {name} was written under other settings, so that it is left aside"));
                }
                Err(why) => {
                    note(format_args!("note: {why}, so that the one before is taken if there is one: {path:?}"));
                }
            }
        }
        None
    }

    /// What a stage goes on from to the bit, if it was broken off; whoever asks first has it.
    pub fn take_kept(&mut self, stage: &str) -> Option<Parts> {
        self.kept.take_if(|(of, _)| *of == stage).map(|(_, parts)| parts)
    }

    /// Keeps what a stage goes on from to the bit after so many units; the one before is kept, too.
    ///
    /// # Errors
    /// [`CheckpointError`] if it cannot be written.
    pub fn keep(&self, stage: &str, settings: &Settings, units: usize, parts: Parts) -> Result<(), CheckpointError> {
        let [now, before] = snapshot_files(stage);
        let parts = parts.with(SETTINGS, what_matters(settings).into_bytes()).with_value(UNITS, &units);
        let parts = parts.with_value(CUT_SHORT, &self.progress.cut_short).with(PROGRAM, this_program().into_bytes());
        let _ = std::fs::rename(self.run.path(&now), self.run.path(&before));
        Ok(self.run.write(&now, &parts.to_bytes())?)
    }

    /// Forgets what a stage that has ended would go on from.
    pub fn forget(&self, stage: &str) {
        for name in snapshot_files(stage) {
            let _ = std::fs::remove_file(self.run.path(&name));
        }
    }

    /// Saves so often from now on.
    pub fn save_every(&mut self, seconds: f64) {
        self.every = Duration::from_secs_f64(seconds);
    }

    /// Notes under which settings a run begins.
    pub fn begin_under(&mut self, settings: &Settings) {
        self.progress.settings = what_matters(settings);
    }

    fn with_progress(run: RunFolder, progress: Progress) -> Self {
        let now = Instant::now();
        Self { run, progress, stage: (PLAN, now), saved: now, every: Duration::from_secs(60), kept: None }
    }

    /// From now on time is that of another stage.
    pub fn enter(&mut self, stage: &'static str) {
        self.note_time();
        self.stage.0 = stage;
    }

    fn note_time(&mut self) {
        let (stage, since) = self.stage;
        let now = Instant::now();
        *self.progress.wall_clock_s.entry(stage.to_owned()).or_insert(0.0) += (now - since).as_secs_f64();
        self.stage.1 = now;
    }

    /// Seconds spent in all stages and sessions, until now.
    pub fn spent_s(&mut self) -> f64 {
        self.note_time();
        self.progress.spent_s()
    }

    /// Whether a stage under way should be saved by now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.saved.elapsed() >= self.every
    }

    /// Writes the record of progress.
    ///
    /// # Errors
    /// [`CheckpointError::Folder`].
    pub fn save(&mut self) -> Result<(), CheckpointError> {
        self.note_time();
        let text = ron::ser::to_string_pretty(&self.progress, ron::ser::PrettyConfig::new())
            .expect("progress is plain numbers and text");
        self.run.write(PROGRESS_FILE, text.as_bytes())?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Writes perception as it is after so many steps.
    ///
    /// # Errors
    /// [`CheckpointError`]; the earlier checkpoint is then still whole.
    pub fn save_perception(&mut self, perception: &Perception, steps: usize) -> Result<(), CheckpointError> {
        self.run.write(PERCEPTION_FILE, &perception.to_bytes()?)?;
        self.progress.perceive_steps = steps;
        self.save()
    }

    /// Writes the policy as it is after so many updates.
    ///
    /// # Errors
    /// [`CheckpointError`]; the earlier checkpoint is then still whole.
    pub fn save_policy(&mut self, policy: &QNetwork, updates: usize, roads: u64) -> Result<(), CheckpointError> {
        self.run.write(POLICY_FILE, &policy.to_bytes()?)?;
        (self.progress.learn_updates, self.progress.roads) = (updates, roads);
        self.save()
    }

    /// Perception as it was saved, with its steps, or what the run begins with; `None` if it begins afresh.
    ///
    /// # Errors
    /// [`CheckpointError::Weights`] for a damaged file.
    pub fn perception(&self, settings: PerceptionSettings) -> Result<Option<(Perception, usize)>, CheckpointError> {
        let steps = self.progress.perceive_steps;
        let path = self.run.path(if steps > 0 { PERCEPTION_FILE } else { START_PERCEPTION_FILE });
        let load = || Ok((Perception::load(&path, settings)?, steps));
        self.is_to_be_read(&path, steps).then(load).transpose()
    }

    /// The policy as it was saved, with its updates, or what the run begins with; `None` if it begins afresh.
    ///
    /// # Errors
    /// [`CheckpointError::Weights`] for a damaged file.
    pub fn policy(&self, settings: PolicySettings) -> Result<Option<(QNetwork, usize)>, CheckpointError> {
        let updates = self.progress.learn_updates;
        let path = self.run.path(if updates > 0 { POLICY_FILE } else { START_POLICY_FILE });
        let load = || Ok((QNetwork::load(&path, settings)?, updates));
        self.is_to_be_read(&path, updates).then(load).transpose()
    }

    /// Whether weights must be there, or are: who was broken off at the first of all checkpoints goes on without.
    fn is_to_be_read(&self, path: &Path, units: usize) -> bool {
        path.exists() || (units > 0 && self.kept.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that was given two minutes and ended perception at 30 of 120 steps and learning at 40 of 100 decisions.
    fn cut_run() -> Progress {
        let cut = |done, planned| Cut { done, planned, minutes: 2.0 };
        Progress {
            perceive_steps: 30,
            learn_updates: 4,
            evaluated: true,
            cut_short: true,
            cut: [(COLLECT, cut(50, 100)), (PERCEIVE, cut(30, 120)), (LEARN, cut(40, 100))]
                .map(|(stage, cut)| (stage.to_owned(), cut))
                .into(),
            wall_clock_s: [(COLLECT, 10.0), (PERCEIVE, 60.0), (LEARN, 40.0), (EVALUATE, 5.0), (PLAN, 1.0)]
                .map(|(stage, seconds)| (stage.to_owned(), seconds))
                .into(),
            ..Progress::default()
        }
    }

    #[test]
    fn stages_that_the_clock_ended_are_taken_up_with_more_minutes_only() {
        for minutes in [0.1, 1.0, 2.0] {
            let mut run = cut_run();
            run.take_up(Some(minutes));
            assert!(run == cut_run() && run.is_finished(), "{minutes}");
        }
        // More than it was given, and yet no more than it took.
        let mut slow = cut_run();
        slow.wall_clock_s.insert(LEARN.to_owned(), 600.0);
        slow.take_up(Some(3.0));
        assert!(slow.is_finished());
        for minutes in [Some(2.5), None] {
            let mut run = cut_run();
            run.take_up(minutes);
            assert!(run.cut.is_empty() && !run.evaluated && !run.is_finished());
            assert!(!run.perception_has_ended() && !run.policy_has_ended() && run.cut_short);
            run.check().expect("a run that can be");
        }
    }

    #[test]
    fn settings_that_have_changed_are_named() {
        let begun = what_matters(&Settings::default());
        let changed = |now: &Settings| changed_since(&begun, now, Path::new("run"));
        let harmless = Settings { minutes: Some(3.0), threads: 1, save_every_s: 2.0, ..Settings::default() };
        assert!(changed(&harmless).is_empty(), "nothing depends on those");
        let found = changed(&Settings { seed: 4, ..Settings::default() }.hardened(false)).join(", ");
        assert!(found.contains("seed was 0 and is 4") || found.contains("seed was 1 and is 4"), "{found}");
        assert!(found.contains("harden.ramp is ") && found.contains("harden was None"), "{found}");
        // Of runs of before there was such a record nothing is known.
        assert!(changed_since("", &harmless, Path::new("run")).is_empty());
        assert!(changed_since("0123456789abcdef", &harmless, Path::new("run")).is_empty());
    }

    #[test]
    fn cuts_that_no_clock_can_have_made_are_refused() {
        let refused = |stage: &str, cut: Cut| {
            let mut run = cut_run();
            run.cut.insert(stage.to_owned(), cut);
            run.check().expect_err("no run can have written it")
        };
        let cut = Cut { done: 1, planned: 2, minutes: 1.0 };
        assert!(refused("drive", cut).contains("cut of drive"));
        assert!(refused(LEARN, Cut { done: 2, ..cut }).contains("done: 2, planned: 2"));
        assert!(refused(LEARN, Cut { minutes: f64::NAN, ..cut }).contains("minutes: NaN"));
    }

    #[test]
    fn a_policy_on_perception_that_goes_on_has_not_ended() {
        let mut run = cut_run();
        run.cut.remove(LEARN);
        run.learned = true;
        run.check().expect("a run that can be");
        run.take_up(Some(10.0));
        assert!(!run.learned && !run.evaluated);
        run.check().expect("a run that can be");
    }

    #[test]
    fn cuts_and_what_mends_them_are_put_in_words_and_minutes() {
        let mut run = cut_run();
        assert_eq!(cut_in_words(&run.cut), "collect (50 of 100), perceive (30 of 120) and learn (40 of 100)");
        // 116 s spent; frames again 20 s, 90 steps 180 s, 60 decisions 60 s, the evaluation 5 s; a quarter more is 476 s.
        assert_eq!(run.minutes_needed(), Some(8));
        run.cut.remove(PERCEIVE);
        assert_eq!(cut_in_words(&run.cut), "collect (50 of 100) and learn (40 of 100)");
        // 116, 60 and 5 s; a quarter more is 226 s.
        assert_eq!(run.minutes_needed(), Some(4));
        run.cut.remove(LEARN);
        assert_eq!(cut_in_words(&run.cut), "collect (50 of 100)");
        assert_eq!(run.minutes_needed(), None);
        let mut wished = cut_run();
        wished.cut.values_mut().for_each(|cut| cut.minutes = 20.5);
        assert_eq!(wished.minutes_needed(), Some(21));
    }
}
