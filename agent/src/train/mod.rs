//! The main job: collect, perceive, learn, evaluate; a run folder at the end, whatever happens in between.
//!
//! Collect with the scripted driver, pushed about so that recoveries are seen; train perception; learn to drive on
//! percepts with perception in the loop; evaluate on held-out roads beside blind, straight, random and scripted.
//! `assets/results/nominal.md` says what comes of it over three training seeds.

pub mod assignments;
pub mod checkpoint;
pub mod collect;
pub mod compare;
pub mod forecast;
pub mod learn;
mod page;
pub mod perceive;
pub mod reference;
mod result;
pub mod settings;
mod sight;

pub use result::TrainResult;

use crate::about::{About, AboutDriver, AboutRoads, Parent, Weights, as_written};
use crate::drive::evaluate::{EvaluateSettings, evaluate};
use crate::drive::result::DriverResult;
use crate::driver::{Driver, LearnedDriver, OdometryDriver, RandomDriver, SPEC_FILE};
use crate::formats::event_file::Events;
use crate::formats::tensorboard::EventWriter;
use crate::host::console;
use crate::host::interrupt::Interrupt;
use crate::host::pace::Allotment;
use crate::host::program::quoted;
use crate::host::run_folder::{RunFolder, SETTINGS_FILE};
use crate::policy::QNetwork;
use crate::train::checkpoint::{COLLECT, Checkpoint, Cut, EVALUATE, LEARN, PERCEIVE, PLAN, Progress, cut_in_words};
use crate::train::collect::collect;
use crate::train::forecast::{Forecast, UnitTimes};
use crate::train::learn::{environment, learn};
use crate::train::page::{FilmStrip, PAGE_FILE, page};
use crate::train::perceive::perceive;
use crate::train::settings::{LearnAmount, Settings};
use anyhow::Context;
use roadproof_perception::Perception;
use roadproof_sim::{Scenario, Seed, generate_drive};
use std::time::{Duration, Instant};

/// File with the figures of a run.
pub const RESULT_FILE: &str = "result.json";

/// Version of the shape of `result.json`, and of what `evaluate --json` writes.
pub const RESULT_FORMAT: u32 = 3;

/// How a call of [`train`] ended.
#[derive(Debug)]
pub struct Trained {
    /// The run's figures; `None` if nothing was left to do.
    pub result: Option<TrainResult>,
    /// What keeps the run from being all that its settings ask for, and how to go on, in a sentence.
    pub note: Option<String>,
}

/// Where a run begins.
#[derive(Clone, Copy)]
pub enum Begin<'a> {
    /// With fresh weights.
    Fresh,
    /// With the weights of another driver, by its name.
    From(&'a str, &'a LearnedDriver),
    /// With the perception of another driver, by its name, which stays as it is.
    Perceiving(&'a str, &'a LearnedDriver),
    /// Where an earlier session of the same run stopped.
    Resumed,
}

/// The scenarios that were found to break a driver.
fn read_found(settings: &Settings) -> anyhow::Result<Vec<Scenario>> {
    let (driver, mut found) = (settings.driver(), Vec::new());
    for path in &settings.found {
        let scenario = roadproof_sim::read(path)?;
        driver.fits(&scenario).with_context(|| format!("{path:?} cannot be learnt on"))?;
        found.push(scenario.into_scenario());
    }
    Ok(found)
}

/// A forecast holds for so long: machines become busy and free again.
const MEASURED_EVERY: Duration = Duration::from_secs(60);

/// A run under way.
struct Run<'a> {
    settings: &'a Settings,
    folder: &'a RunFolder,
    found: Vec<Scenario>,
    times: UnitTimes,
    measured: Option<Instant>,
    interrupt: &'a Interrupt,
    checkpoint: Checkpoint,
    events: EventWriter,
}

/// Runs or resumes a training.
///
/// # Errors
/// Anything that keeps the run from going on; what was learnt before is saved.
pub fn train(
    settings: &Settings,
    folder: &RunFolder,
    begin: Begin<'_>,
    interrupt: &Interrupt,
) -> anyhow::Result<Trained> {
    let resumed = matches!(begin, Begin::Resumed);
    let found = read_found(settings)?;
    let mut checkpoint = match begin {
        Begin::Fresh => Checkpoint::fresh(folder.clone()),
        Begin::From(name, driver) => Checkpoint::from_driver(folder.clone(), name, driver)?,
        Begin::Perceiving(name, driver) => {
            Checkpoint::with_perception(folder.clone(), name, driver, settings.perceive.steps)?
        }
        Begin::Resumed => Checkpoint::resume(folder.clone())?,
    };
    checkpoint.save_every(settings.save_every_s);
    checkpoint.progress.sightless = !settings.percepts;
    checkpoint.progress.take_up(settings.minutes);
    if resumed {
        checkpoint.find_place(settings)?;
    } else {
        checkpoint.begin_under(settings);
    }
    // A damaged checkpoint is refused before anything in the folder is touched.
    checkpoint.perception(settings.perception)?;
    checkpoint.policy(settings.policy)?;
    if checkpoint.progress.is_finished() && folder.path(RESULT_FILE).exists() {
        return Ok(Trained { result: None, note: note(&checkpoint, folder) });
    }
    if resumed {
        console::note(format_args!("goes on behind {}", so_far(settings, &checkpoint.progress)));
    }
    // A folder counts as a run once its settings are there: whoever goes on with it finds how far it is.
    checkpoint.save()?;
    folder.write(SETTINGS_FILE, settings.to_ron().as_bytes())?;
    folder.write(SPEC_FILE, settings.driver().to_ron().as_bytes())?;
    let done = &checkpoint.progress;
    let step = decisions(settings, done.learn_updates).max(done.perceive_steps as u64);
    let mut events =
        if resumed { EventWriter::resume(folder.root(), step)? } else { EventWriter::create(folder.root())? };
    events.text("settings", step, &format!("```\n{}\n```", settings.to_ron()))?;
    events.hparams(&as_written(settings)?)?;
    let mut run =
        Run { settings, folder, found, times: UnitTimes::default(), measured: None, interrupt, checkpoint, events };
    let (drivers, strip) = run.stages()?;
    run.events.flush()?;
    run.checkpoint.save()?;
    let progress = &run.checkpoint.progress;
    let result = TrainResult {
        about: run.about()?,
        wall_clock_s: progress.wall_clock_s.clone(),
        repeatable: progress.learned && !progress.cut_short && settings.computes_repeatably(),
        cut: progress.cut.clone(),
        perception: progress.perception_report.as_deref().map(serde_json::from_str).transpose()?,
        drivers,
    };
    if !result.drivers.is_empty() {
        let events =
            Events::read(folder.root()).with_context(|| format!("cannot read the events of {:?}", folder.root()))?;
        folder.write(PAGE_FILE, page(settings, &result, &events, strip.as_ref()).as_bytes())?;
    }
    folder.write(RESULT_FILE, &serde_json::to_vec_pretty(&result)?)?;
    Ok(Trained { result: Some(result), note: note(&run.checkpoint, folder) })
}

impl Run<'_> {
    /// Where the result comes from: the driver is that of the run as it is now.
    fn about(&self) -> anyhow::Result<About> {
        let Self { settings, checkpoint, .. } = self;
        let policy = checkpoint.policy(settings.policy)?;
        let perception = if settings.percepts { checkpoint.perception(settings.perception)? } else { None };
        let weights = policy.map(|(policy, _)| Weights::of(perception.as_ref().map(|(network, _)| network), &policy));
        let parent = Parent::read(self.folder.root());
        let name = self.folder.root().display().to_string();
        let EvaluateSettings { roads, seed, split } = settings.evaluate;
        Ok(About {
            driver: Some(AboutDriver { name, weights, parent, knows_the_truth: false }),
            roads: Some(AboutRoads { split, seed, roads }),
            settings: Some(as_written(settings)?),
            ..About::this(RESULT_FORMAT)
        })
    }
}

/// What the clock cut short and how to go on, or whatever else keeps the run from being repeatable.
fn note(checkpoint: &Checkpoint, folder: &RunFolder) -> Option<String> {
    let progress = &checkpoint.progress;
    if progress.cut.is_empty() {
        let text = "note: a session that was broken off or a clock had a say, so that the same settings do not give the same bits";
        return progress.cut_short.then(|| text.to_owned());
    }
    let go_on = progress.minutes_needed().map(|minutes| {
        let folder = quoted(&folder.root().to_string_lossy());
        format!("; go on: roadproof train --resume {folder} --minutes {minutes}")
    });
    Some(format!("note: the clock cut {} short{}", cut_in_words(&progress.cut), go_on.unwrap_or_default()))
}

/// How far a run has come, for people.
fn so_far(settings: &Settings, progress: &Progress) -> String {
    let steps = format!("{} of {} steps of perception", progress.perceive_steps, settings.perceive.steps);
    let updates = format!("{} of {} updates of the policy", progress.learn_updates, settings.amount().updates);
    if settings.percepts { format!("{steps} and {updates}") } else { updates }
}

/// Decisions of all worlds together in so many updates, the unit of time of everything about the policy.
fn decisions(settings: &Settings, updates: usize) -> u64 {
    let LearnAmount { worlds, rollout, .. } = settings.amount();
    (updates * worlds * rollout) as u64
}

impl Run<'_> {
    /// All stages that are left, and what the driver saw on the road it drove worst; the drivers' results are empty if somebody interrupts.
    fn stages(&mut self) -> anyhow::Result<(Vec<DriverResult>, Option<FilmStrip>)> {
        self.plan()?;
        let perception = if self.settings.percepts { self.perceive()? } else { None };
        if self.settings.percepts && perception.is_none() {
            return Ok((Vec::new(), None));
        }
        let acts_on = self.settings.acts_on().device()?;
        let perception = perception.map(|perception| perception.on(&acts_on));
        let policy = self.learn(perception.as_ref())?;
        if !self.checkpoint.progress.policy_has_ended() {
            return Ok((Vec::new(), None));
        }
        self.checkpoint.enter(EVALUATE);
        let policy = policy.on(&acts_on);
        let results = evaluate_all(self.settings, perception.as_ref(), &policy, self.interrupt)?;
        let strip = match (perception, results.first()) {
            (Some(perception), Some(result)) if !self.interrupt.requested() => {
                let mut driver = LearnedDriver::new(perception, policy, self.settings.driver());
                FilmStrip::of_worst(result, &mut driver, &self.settings.drive)?
            }
            _ => None,
        };
        self.checkpoint.enter(PLAN);
        self.checkpoint.progress.evaluated = !self.interrupt.requested();
        let step = decisions(self.settings, self.checkpoint.progress.learn_updates);
        for result in &results {
            let tag = format!("evaluate/driving_score_{}", result.driver);
            self.events.scalar(&tag, step, result.driving_score)?;
        }
        Ok((results, strip))
    }

    /// Measures how long what is left will take, unless that is known, and tells.
    fn plan(&mut self) -> anyhow::Result<()> {
        let progress = &self.checkpoint.progress;
        let learnt = progress.perception_has_ended() && progress.policy_has_ended();
        if learnt || self.measured.is_some_and(|measured| measured.elapsed() < MEASURED_EVERY) {
            return Ok(());
        }
        self.times = UnitTimes::measure(self.settings, &self.found, self.interrupt)?;
        self.measured = Some(Instant::now());
        if self.interrupt.requested() {
            return Ok(());
        }
        let forecast = self.forecast();
        let left_s = self.settings.minutes.map(|minutes| 60.0 * minutes - self.checkpoint.spent_s());
        match (left_s, self.settings.minutes) {
            (Some(left_s), Some(minutes)) if left_s < forecast.all_s() => {
                console::note(format_args!("{forecast}; cut to fit into what is left of {minutes} minutes"));
            }
            _ => console::note(forecast),
        }
        Ok(())
    }

    fn forecast(&self) -> Forecast {
        Forecast::new(&self.times, self.settings, &self.checkpoint.progress)
    }

    /// Begins a stage: its time counts from now on, and is limited if minutes are.
    fn begin(&mut self, stage: &'static str) -> Allotment {
        self.checkpoint.enter(stage);
        let forecast = self.forecast();
        forecast.allot(stage, self.settings.minutes, self.checkpoint.spent_s())
    }

    /// Ends a stage: notes whether the clock had a say in it.
    fn end(&mut self, stage: &'static str, done: u64, planned: u64, hurried: bool) {
        self.checkpoint.enter(PLAN);
        let progress = &mut self.checkpoint.progress;
        // Who interrupts goes on to the bit.
        progress.cut_short |= hurried || (done < planned && !self.interrupt.requested());
        progress.cut.remove(stage);
        // Who interrupts means to go on.
        if let (Some(minutes), true, false) = (self.settings.minutes, done < planned, self.interrupt.requested()) {
            progress.cut.insert(stage.to_owned(), Cut { done, planned, minutes });
        }
    }

    /// Stages 1 and 2; `None` if interrupted before perception was done.
    fn perceive(&mut self) -> anyhow::Result<Option<Perception>> {
        let settings = self.settings;
        let earlier = self.checkpoint.perception(settings.perception)?;
        if self.checkpoint.progress.perception_has_ended() {
            return Ok(earlier.map(|(perception, _)| perception));
        }
        let time = self.begin(COLLECT);
        let data = collect(settings, time, self.interrupt)?;
        if self.interrupt.requested() {
            // Nothing is lost but time: whoever goes on collects the same frames.
            return Ok(None);
        }
        let asked = settings.collect.frames + settings.collect.validation_frames;
        self.end(COLLECT, (data.train.len() + data.validation.len()) as u64, asked as u64, false);
        self.checkpoint.save()?;
        let time = self.begin(PERCEIVE);
        let perceived =
            perceive(settings, &data, earlier, time, self.interrupt, &mut self.events, &mut self.checkpoint)?;
        let (done, planned) = (perceived.steps, settings.perceive.steps);
        self.end(PERCEIVE, done as u64, planned as u64, perceived.hurried);
        let report = serde_json::to_string(&perceived.report)?;
        let progress = &mut self.checkpoint.progress;
        progress.perceived = done >= planned;
        progress.perception_report = Some(report);
        self.checkpoint.save()?;
        if done >= planned {
            self.checkpoint.forget(PERCEIVE);
        }
        Ok((!self.interrupt.requested()).then_some(perceived.perception))
    }

    /// Stage 3.
    fn learn(&mut self, perception: Option<&Perception>) -> anyhow::Result<QNetwork> {
        let settings = self.settings;
        let earlier = self.checkpoint.policy(settings.policy)?;
        if let (true, Some((policy, _))) = (self.checkpoint.progress.policy_has_ended(), &earlier) {
            if self.checkpoint.progress.learned {
                self.checkpoint.forget(LEARN);
            }
            return Ok(policy.clone());
        }
        self.plan()?;
        self.checkpoint.forget(PERCEIVE);
        let time = self.begin(LEARN);
        let done = &self.checkpoint.progress;
        let progress = done.learn_updates as f64 / settings.amount().updates as f64;
        let mut environment = environment(settings, &self.found, perception, done.roads, progress)?;
        let learned =
            learn(settings, &mut environment, earlier, time, self.interrupt, &mut self.events, &mut self.checkpoint)?;
        let (done, planned) = (learned.updates, settings.amount().updates);
        self.end(LEARN, decisions(settings, done), decisions(settings, planned), learned.hurried);
        self.checkpoint.progress.learned = done >= planned;
        self.checkpoint.save()?;
        if done >= planned {
            self.checkpoint.forget(LEARN);
        }
        Ok(learned.policy)
    }
}

/// Stage 4: the driver who learnt and the baselines.
fn evaluate_all(
    settings: &Settings,
    perception: Option<&Perception>,
    policy: &QNetwork,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<DriverResult>> {
    let mut drivers = match perception {
        Some(perception) => {
            let learned = || Box::new(LearnedDriver::new(perception.clone(), policy.clone(), settings.driver()));
            let odometry = OdometryDriver::shipped()?;
            let mut drivers = vec![Driver::Learned(learned()), Driver::Blind(learned())];
            // Who was trained for other drives is no measure of these.
            if odometry.spec().fits(&generate_drive(Seed(settings.seed), &settings.drive)).is_ok() {
                drivers.push(Driver::Odometry(Box::new(odometry)));
            }
            drivers
        }
        None => vec![Driver::Odometry(Box::new(OdometryDriver::new(policy.clone(), settings.driver())))],
    };
    drivers.extend([Driver::Straight, Driver::Random(RandomDriver::default()), Driver::Scripted]);
    let mut results = Vec::new();
    for mut driver in drivers {
        match evaluate(driver.name(), &mut driver, &settings.evaluate, &settings.drive, settings.threads(), interrupt)?
        {
            Some(result) => results.push(result),
            None => break,
        }
    }
    Ok(results)
}
