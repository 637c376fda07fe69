//! The main job: collect, perceive, learn, evaluate; a run folder at the end, whatever happens in between.
//!
//! # What it makes
//! See the crate's documentation for the figures over three training seeds.

pub mod checkpoint;
pub mod collect;
pub mod perceive;
pub mod settings;

use crate::drive::evaluate::{DriverResult, evaluate};
use crate::driver::{Driver, LearnedDriver, RandomDriver};
use crate::formats::tensorboard::EventWriter;
use crate::host::interrupt::Interrupt;
use crate::host::run_folder::{RunFolder, SETTINGS_FILE};
use crate::learn::environment::Environment;
use crate::learn::learn;
use crate::policy::QNetwork;
use crate::train::checkpoint::Checkpoint;
use crate::train::collect::collect;
use crate::train::perceive::perceive;
use crate::train::settings::Settings;
use roadproof_env::ScriptedDriver;
use roadproof_perception::Perception;
use roadproof_sim::{Scenario, generate_drive};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// File with the figures of a run.
pub const RESULT_FILE: &str = "result.json";

/// What `result.json` holds.
#[derive(Debug, Serialize)]
pub struct TrainResult {
    /// The run's seed.
    pub seed: u64,
    /// Wall-clock seconds of each stage, all sessions together.
    pub wall_clock_s: BTreeMap<String, f64>,
    /// Whether every stage ended by work done, so that the same settings give the same bits; where a run began with the weights of
    /// another or learnt on found scenarios, the same of these as well.
    pub repeatable: bool,
    /// How well perception sees validation roads, a [`roadproof_perception::PerceptionReport`].
    pub perception: Option<serde_json::Value>,
    /// The drivers on held-out roads; empty if the run was interrupted before.
    pub drivers: Vec<DriverResult>,
}

/// Shares of the wall-clock budget at which each stage ends at the latest; what one leaves over is the next one's.
const COLLECT_END: f64 = 0.12;
const PERCEIVE_END: f64 = 0.52;
const LEARN_END: f64 = 0.88;

/// Where a run begins.
pub enum Begin<'a> {
    /// With fresh weights.
    Fresh,
    /// With the weights of another driver.
    From(&'a LearnedDriver),
    /// Where an earlier session of the same run stopped.
    Resumed,
}

/// The scenarios that were found to break a driver.
fn read_found(settings: &Settings) -> anyhow::Result<Vec<Scenario>> {
    let mut found = Vec::new();
    for path in &settings.found {
        let scenario = roadproof_sim::read(path)?;
        let (camera, own) = (scenario.camera, settings.drive.camera);
        anyhow::ensure!(camera == own, "the scenario's camera is {camera:?}, the run's is {own:?}: {path:?}");
        let (hz, own) = (scenario.decision_hz, generate_drive(scenario.seed, &settings.drive).decision_hz);
        anyhow::ensure!(hz == own, "decision_hz = {hz}, generated drives have {own}: {path:?}");
        found.push(scenario);
    }
    Ok(found)
}

/// A run under way.
struct Run<'a> {
    settings: &'a Settings,
    found: Vec<Scenario>,
    started: Instant,
    budget: Duration,
    interrupt: &'a Interrupt,
    checkpoint: Checkpoint,
    events: EventWriter,
}

/// Runs or resumes a training; returns its result.
///
/// # Errors
/// Anything that keeps the run from going on; what was learnt before is saved.
pub fn train(
    settings: &Settings,
    folder: &RunFolder,
    begin: Begin<'_>,
    interrupt: &Interrupt,
) -> anyhow::Result<TrainResult> {
    let resumed = matches!(begin, Begin::Resumed);
    let found = read_found(settings)?;
    let checkpoint = match begin {
        Begin::Fresh => Checkpoint::fresh(folder.clone()),
        Begin::From(driver) => Checkpoint::from_driver(folder.clone(), driver)?,
        Begin::Resumed => Checkpoint::resume(folder.clone())?,
    };
    // A damaged checkpoint is refused before anything in the folder is touched.
    checkpoint.perception(settings.perception)?;
    checkpoint.policy(settings.policy)?;
    folder.write(SETTINGS_FILE, settings.to_ron().as_bytes())?;
    checkpoint.save()?;
    let done = &checkpoint.progress;
    let step = decisions(settings, done.learn_updates).max(done.perceive_steps as u64);
    let mut events =
        if resumed { EventWriter::resume(folder.root(), step)? } else { EventWriter::create(folder.root())? };
    events.text("settings", step, &format!("```\n{}\n```", settings.to_ron()))?;
    let budget = Duration::from_secs_f64(60.0 * settings.minutes);
    let mut run = Run { settings, found, started: Instant::now(), budget, interrupt, checkpoint, events };
    let drivers = run.stages()?;
    run.events.flush()?;
    run.checkpoint.save()?;
    let progress = &run.checkpoint.progress;
    let result = TrainResult {
        seed: settings.seed,
        wall_clock_s: progress.wall_clock_s.clone(),
        repeatable: progress.learned && !progress.cut_short,
        perception: progress.perception_report.as_deref().map(serde_json::from_str).transpose()?,
        drivers,
    };
    folder.write(RESULT_FILE, &serde_json::to_vec_pretty(&result)?)?;
    Ok(result)
}

/// Decisions of all worlds together in so many updates, the unit of time of everything about the policy.
fn decisions(settings: &Settings, updates: usize) -> u64 {
    (updates * settings.learn.worlds * settings.learn.rollout) as u64
}

impl Run<'_> {
    /// Time left until so much of the budget is spent.
    fn left_until(&self, share: f64) -> Duration {
        self.budget.mul_f64(share).saturating_sub(self.started.elapsed())
    }

    /// All stages that are left; the drivers' results are empty if somebody interrupts.
    fn stages(&mut self) -> anyhow::Result<Vec<DriverResult>> {
        let Some(perception) = self.perceive()? else { return Ok(Vec::new()) };
        let policy = self.learn(&perception)?;
        if !self.checkpoint.progress.learned {
            return Ok(Vec::new());
        }
        let start = Instant::now();
        let results = evaluate_all(self.settings, &perception, &policy, self.interrupt)?;
        self.checkpoint.note_time("evaluate", start.elapsed().as_secs_f64());
        let step = decisions(self.settings, self.checkpoint.progress.learn_updates);
        for result in &results {
            let tag = format!("evaluate/driving_score_{}", result.driver);
            self.events.scalar(&tag, step, result.driving_score)?;
        }
        Ok(results)
    }

    /// Stages 1 and 2; `None` if interrupted before perception was done.
    fn perceive(&mut self) -> anyhow::Result<Option<Perception>> {
        let settings = self.settings;
        let earlier = self.checkpoint.perception(settings.perception)?;
        if self.checkpoint.progress.perceived {
            return Ok(earlier.map(|(perception, _)| perception));
        }
        let start = Instant::now();
        let data = collect(settings, self.left_until(COLLECT_END), self.interrupt)?;
        self.checkpoint.note_time("collect", start.elapsed().as_secs_f64());
        if self.interrupt.requested() {
            // Nothing is lost but time: whoever goes on collects the same frames.
            return Ok(None);
        }
        let asked = settings.collect.frames + settings.collect.validation_frames;
        self.checkpoint.progress.cut_short |= data.train.len() + data.validation.len() < asked;
        anyhow::ensure!(
            !data.train.is_empty() && !data.validation.is_empty(),
            "no frames were collected in the time given: raise `--minutes`"
        );
        let start = Instant::now();
        let limit = self.left_until(PERCEIVE_END);
        let perceived =
            perceive(settings, &data, earlier, limit, self.interrupt, &mut self.events, &mut self.checkpoint)?;
        self.checkpoint.note_time("perceive", start.elapsed().as_secs_f64());
        let report = serde_json::to_string(&perceived.report)?;
        let progress = &mut self.checkpoint.progress;
        progress.perceived = !self.interrupt.requested();
        progress.perception_report = Some(report);
        progress.cut_short |= perceived.hurried || perceived.steps < settings.perceive.steps;
        self.checkpoint.save()?;
        Ok(self.checkpoint.progress.perceived.then_some(perceived.perception))
    }

    /// Stage 3.
    fn learn(&mut self, perception: &Perception) -> anyhow::Result<QNetwork> {
        let settings = self.settings;
        let earlier = self.checkpoint.policy(settings.policy)?;
        if let (true, Some((policy, _))) = (self.checkpoint.progress.learned, &earlier) {
            return Ok(policy.clone());
        }
        let start = Instant::now();
        let done = &self.checkpoint.progress;
        let progress = done.learn_updates as f64 / settings.learn.updates as f64;
        let mut environment = Environment::new(settings, self.found.clone(), perception.clone(), done.roads, progress)?;
        let limit = self.left_until(LEARN_END);
        let learned =
            learn(settings, &mut environment, earlier, limit, self.interrupt, &mut self.events, &mut self.checkpoint)?;
        self.checkpoint.note_time("learn", start.elapsed().as_secs_f64());
        let progress = &mut self.checkpoint.progress;
        progress.learned = !self.interrupt.requested();
        progress.cut_short |= learned.hurried || learned.updates < settings.learn.updates;
        self.checkpoint.save()?;
        Ok(learned.policy)
    }
}

/// Stage 4: the learned driver and the three baselines.
fn evaluate_all(
    settings: &Settings,
    perception: &Perception,
    policy: &QNetwork,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<DriverResult>> {
    let learned = || Box::new(LearnedDriver::new(perception.clone(), policy.clone(), settings.clone()));
    let drivers = [
        Driver::Learned(learned()),
        Driver::Blind(learned()),
        Driver::Random(RandomDriver::default()),
        Driver::Scripted(ScriptedDriver::default()),
    ];
    let mut results = Vec::new();
    for mut driver in drivers {
        match evaluate(&mut driver, settings, interrupt)? {
            Some(result) => results.push(result),
            None => break,
        }
    }
    Ok(results)
}
