//! The main job: collect, perceive, learn, evaluate; a run folder at the end, whatever happens in between.

use crate::collect::collect;
use crate::drivers::{Driver, LearnedDriver, PERCEPTION_FILE, POLICY_FILE, RandomDriver, ScriptedDriver};
use crate::environment::Environment;
use crate::evaluate::{DriverResult, evaluate};
use crate::interrupt::Interrupt;
use crate::learn::{Resume, learn};
use crate::perceive::perceive;
use crate::policy::QNetwork;
use crate::run_folder::{RunFolder, SETTINGS_FILE};
use crate::settings::Settings;
use crate::tensorboard::EventWriter;
use anyhow::Context;
use roadproof_perception::{Perception, PerceptionReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// File with the figures of a run.
pub const RESULT_FILE: &str = "result.json";
/// File that says how far a run has come.
const PROGRESS_FILE: &str = "progress.ron";

/// What `result.json` holds.
#[derive(Debug, Serialize)]
pub struct TrainResult {
    /// The run's seed.
    pub seed: u64,
    /// Wall-clock seconds of each stage, all sessions together.
    pub wall_clock_s: BTreeMap<String, f64>,
    /// Whether every stage ended by work done, so that the same settings give the same bits.
    pub repeatable: bool,
    /// How well perception sees validation roads.
    pub perception: Option<PerceptionReport>,
    /// The drivers on held-out roads; empty if the run was interrupted before.
    pub drivers: Vec<DriverResult>,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    perceive_steps: usize,
    perceived: bool,
    learn_updates: usize,
    learned: bool,
    roads: u64,
    wall_clock_s: BTreeMap<String, f64>,
    cut_short: bool,
}

/// Shares of the wall-clock budget.
const COLLECT_SHARE: f64 = 0.12;
const PERCEIVE_SHARE: f64 = 0.40;
const LEARN_SHARE: f64 = 0.36;

/// Runs or resumes a training; returns its result.
///
/// # Errors
/// Anything that keeps the run from going on; what was learnt before is saved.
pub fn train(settings: &Settings, run: &RunFolder, resumed: bool, interrupt: &Interrupt) -> anyhow::Result<TrainResult> {
    let mut progress = if resumed { read_progress(run)? } else { Progress::default() };
    run.write(SETTINGS_FILE, settings.to_ron().as_bytes())?;
    let step = progress.learn_updates * settings.learn.worlds * settings.learn.rollout + progress.perceive_steps;
    let mut events =
        if resumed { EventWriter::resume(run.root(), step as u64)? } else { EventWriter::create(run.root())? };
    events.text("settings", 0, &format!("```\n{}\n```", settings.to_ron()))?;
    let budget = Duration::from_secs_f64(60.0 * settings.minutes);
    let mut result = TrainResult {
        seed: settings.seed,
        wall_clock_s: BTreeMap::new(),
        repeatable: false,
        perception: None,
        drivers: Vec::new(),
    };
    let perception = perceive_stage(settings, run, budget, interrupt, &mut events, &mut progress, &mut result)?;
    if let Some(perception) = perception {
        let policy = learn_stage(settings, run, &perception, budget, interrupt, &mut events, &mut progress)?;
        if progress.learned {
            let start = Instant::now();
            result.drivers = evaluate_all(settings, perception, policy, interrupt)?;
            note_time(&mut progress, "evaluate", start);
            for driver in &result.drivers {
                let tag = format!("evaluate/driving_score_{}", driver.driver);
                events.scalar(&tag, progress.learn_updates as u64, driver.driving_score)?;
            }
        }
    }
    events.flush()?;
    result.repeatable = !progress.cut_short && progress.learned && !resumed;
    result.wall_clock_s = progress.wall_clock_s.clone();
    write_progress(run, &progress)?;
    run.write(RESULT_FILE, &serde_json::to_vec_pretty(&result)?)?;
    Ok(result)
}

/// Stages 1 and 2; `None` if interrupted before perception was done.
fn perceive_stage(
    settings: &Settings,
    run: &RunFolder,
    budget: Duration,
    interrupt: &Interrupt,
    events: &mut EventWriter,
    progress: &mut Progress,
    result: &mut TrainResult,
) -> anyhow::Result<Option<Perception>> {
    let path = run.path(PERCEPTION_FILE);
    let earlier = (progress.perceive_steps > 0)
        .then(|| Perception::load(&path, settings.perception))
        .transpose()?;
    if let (true, Some(perception)) = (progress.perceived, &earlier) {
        return Ok(Some(perception.clone()));
    }
    let start = Instant::now();
    let data = collect(settings, budget.mul_f64(COLLECT_SHARE), interrupt)?;
    note_time(progress, "collect", start);
    let asked = settings.collect.frames + settings.collect.validation_frames;
    progress.cut_short |= data.train.len() + data.validation.len() < asked;
    if data.train.is_empty() || data.validation.is_empty() {
        anyhow::ensure!(interrupt.requested(), "no frames were collected in the time given: raise `--minutes`");
        return Ok(None);
    }
    let start = Instant::now();
    let from = earlier.as_ref().map(|perception| (perception, progress.perceive_steps));
    let limit = budget.mul_f64(PERCEIVE_SHARE);
    let perceived = perceive(settings, &data, from, limit, interrupt, events)?;
    note_time(progress, "perceive", start);
    perceived.perception.save(&path)?;
    progress.perceive_steps = perceived.steps;
    progress.perceived = !interrupt.requested();
    progress.cut_short |= perceived.steps < settings.perceive.steps;
    result.perception = Some(perceived.report);
    write_progress(run, progress)?;
    Ok(progress.perceived.then_some(perceived.perception))
}

/// Stage 3.
fn learn_stage(
    settings: &Settings,
    run: &RunFolder,
    perception: &Perception,
    budget: Duration,
    interrupt: &Interrupt,
    events: &mut EventWriter,
    progress: &mut Progress,
) -> anyhow::Result<QNetwork> {
    let path = run.path(POLICY_FILE);
    let earlier = (progress.learn_updates > 0).then(|| QNetwork::load(&path, settings.policy)).transpose()?;
    if let (true, Some(policy)) = (progress.learned, &earlier) {
        return Ok(policy.clone());
    }
    let start = Instant::now();
    let mut environment = Environment::new(settings, perception.clone(), progress.roads)?;
    let from = earlier.map(|policy| Resume { policy, updates: progress.learn_updates });
    let learned = learn(settings, &mut environment, from, budget.mul_f64(LEARN_SHARE), interrupt, events)?;
    note_time(progress, "learn", start);
    learned.policy.save(&path)?;
    progress.learn_updates = learned.updates;
    progress.roads = learned.roads;
    progress.learned = !interrupt.requested();
    progress.cut_short |= learned.updates < settings.learn.updates;
    write_progress(run, progress)?;
    Ok(learned.policy)
}

/// Stage 4: the learned driver and the three baselines.
fn evaluate_all(
    settings: &Settings,
    perception: Perception,
    policy: QNetwork,
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

fn note_time(progress: &mut Progress, stage: &str, start: Instant) {
    *progress.wall_clock_s.entry(stage.to_owned()).or_insert(0.0) += start.elapsed().as_secs_f64();
}

fn read_progress(run: &RunFolder) -> anyhow::Result<Progress> {
    let path = run.path(PROGRESS_FILE);
    let bytes = run.read(PROGRESS_FILE).context("the run has no record of its progress, it cannot be resumed")?;
    let text = String::from_utf8(bytes).with_context(|| format!("not text: {path:?}"))?;
    ron::from_str(&text).with_context(|| format!("not a record of progress: {path:?}"))
}

fn write_progress(run: &RunFolder, progress: &Progress) -> anyhow::Result<()> {
    let text = ron::ser::to_string_pretty(progress, ron::ser::PrettyConfig::new())?;
    Ok(run.write(PROGRESS_FILE, text.as_bytes())?)
}
