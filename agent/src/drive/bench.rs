//! Speed on this machine: the fleet with and without camera, perception, and the whole loop.
//!
//! Everything is measured in several rounds, one figure after the other in each: a shared machine is fast for some seconds
//! and slow for others, and this way both meet all figures alike.

use crate::drive::rollout::Rollout;
use crate::driver::{Driver, DriverSpec, Drives, LearnedDriver};
use crate::harden::Hardening;
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use crate::learn::environment::{Environment, EnvironmentSettings};
use crate::learn::task::{Actor, Experience, Group, Task};
use crate::policy::QNetwork;
use roadproof_env::{Action, RewardSettings, Roads};
use roadproof_perception::{Dataset, PerceptLabel, PerceptionSettings, Trainer, TrainingSettings};
use roadproof_sim::traffic::{ActorKind, ActorSpec, ActorStart, Idm};
use roadproof_sim::{CameraSettings, Controls, DriveStyle, FleetError, Observations, Seed, Split, generate_drive};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was done.
    pub name: String,
    /// How often per second: the median of the rounds.
    pub per_second: f64,
    /// The slowest round.
    pub slowest: f64,
    /// The fastest round.
    pub fastest: f64,
}

/// One figure of one round: its name, and how often per second.
type Sample = (String, f64);

/// What to measure, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BenchPlan {
    rounds: usize,
    each: Duration,
    worlds: usize,
}

impl BenchPlan {
    /// The usual plan, or a brief one.
    #[must_use]
    pub fn new(quick: bool) -> Self {
        if quick {
            Self { rounds: 1, each: Duration::from_millis(30), worlds: 8 }
        } else {
            Self { rounds: 5, each: Duration::from_millis(400), worlds: 64 }
        }
    }
}

/// Measures everything.
///
/// # Errors
/// [`FleetError`] if the benchmark's own drives cannot be built.
pub fn measure(plan: &BenchPlan) -> Result<Vec<Figure>, FleetError> {
    let mut stage = LongWork::start("bench", plan.rounds as u64, "rounds");
    let mut rounds = Vec::with_capacity(plan.rounds);
    for round in 0..plan.rounds {
        stage.set(round as u64, "");
        rounds.push(measure_once(plan)?);
    }
    stage.set(plan.rounds as u64, "");
    stage.finish("median of each figure below");
    Ok((0..rounds[0].len()).map(|index| Figure::of(rounds.iter().map(|round| &round[index]))).collect())
}

impl Figure {
    /// The figure of its samples, one from each round.
    fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let (names, mut rates): (Vec<&String>, Vec<f64>) = samples.map(|(name, rate)| (name, *rate)).unzip();
        rates.sort_by(f64::total_cmp);
        let last = rates.len() - 1;
        Self { name: names[0].clone(), per_second: rates[last / 2], slowest: rates[0], fastest: rates[last] }
    }
}

/// One round over all figures.
fn measure_once(plan: &BenchPlan) -> Result<Vec<Sample>, FleetError> {
    let mut samples = Vec::new();
    for threads in [1, 2] {
        for cars in [0, 8, 32] {
            samples.push(fleet(plan, None, cars, threads)?);
            for size_px in [64, 84, 128] {
                samples.push(fleet(plan, Some(size_px), cars, threads)?);
            }
        }
    }
    samples.extend(perception(plan));
    samples.push(whole_loop(plan)?);
    for overlap in [false, true] {
        samples.push(training_loop(plan, overlap)?);
    }
    Ok(samples)
}

/// Peak resident memory of this process; `None` where the system does not say.
#[must_use]
pub fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

/// A fleet of scripted drivers, stepped for a while; drives that end start again, as in training.
fn fleet(plan: &BenchPlan, size_px: Option<u16>, cars: usize, threads: usize) -> Result<Sample, FleetError> {
    let camera = CameraSettings::square(size_px.unwrap_or(8));
    let drive = |index| bench_drive(index, cars, camera);
    let mut driver = ByTruth { camera: size_px.is_some(), beside: None };
    let mut rollout = Rollout::start((0..plan.worlds as u64).map(drive).collect(), &mut driver, threads)?;
    let mut next = plan.worlds as u64;
    let mut once = || -> Result<(), FleetError> {
        rollout.step();
        let ended = rollout.ended();
        if ended.is_empty() {
            return Ok(());
        }
        let fresh = ended.into_iter().map(|world| {
            next += 1;
            (world, bench_drive(next, cars, camera))
        });
        rollout.refill(fresh.collect())
    };
    for _ in 0..5 {
        once()?;
    }
    let (start, mut steps) = (Instant::now(), 0);
    while start.elapsed() < plan.each {
        once()?;
        steps += plan.worlds;
    }
    let frames = size_px.map_or_else(|| "no camera".to_owned(), |size| format!("{size}×{size}"));
    let name = format!("fleet steps, {frames}, {cars} cars, {threads} thread{}", if threads == 1 { "" } else { "s" });
    Ok((name, steps as f64 / start.elapsed().as_secs_f64()))
}

/// A generated road of 600 m with exactly so many cars on it, spread along it over all lanes of both directions.
fn bench_drive(index: u64, cars: usize, camera: CameraSettings) -> roadproof_sim::Scenario {
    let style = DriveStyle { max_cars: 0, length_m: 600.0, camera, ..DriveStyle::default() };
    let mut scenario = generate_drive(Seed::of_split(Split::Train, u64::MAX, index), &style);
    let lanes = scenario.build_road().map_or_else(|_| Vec::new(), |road| road.lanes);
    let apart_m = 540.0 / cars.max(1) as f32;
    for (car, lane) in (0..cars).zip(lanes.iter().map(|lane| lane.id).rev().cycle()) {
        let s_m = 30.0 + apart_m * car as f32;
        scenario.actors.push(ActorSpec {
            name: format!("car {car}"),
            kind: ActorKind::Car,
            start: ActorStart { lane, s_m, speed_mps: 8.0 },
            desired_speed_mps: None,
            idm: Idm::default(),
            colour: None,
            script: Vec::new(),
        });
    }
    scenario
}

fn perception(plan: &BenchPlan) -> Vec<Sample> {
    let (settings, training) = (PerceptionSettings::default(), TrainingSettings::default());
    let (width, height) = (settings.width, settings.height);
    let mut dataset = Dataset::new(width, height);
    let frame: Vec<u8> = (0..width * height * 3).map(|index| (index * 31 % 251) as u8).collect();
    let label = PerceptLabel { lane_offset_m: 0.1, heading_rad: 0.0, curvature_per_m: 0.0, gap_m: Some(20.0) };
    for _ in 0..256 {
        dataset.push(&frame, &vec![2; width * height], label).expect("frames of the dataset's size");
    }
    let mut trainer = Trainer::new(settings, training, 1).expect("default settings");
    let perception = trainer.perception();
    let rgb: Vec<u8> = frame.iter().copied().cycle().take(256 * frame.len()).collect();
    let batch = training.batch;
    vec![
        rate("perception forward, frames in batches of 256", 256, plan.each, || {
            std::hint::black_box(perception.see(&rgb));
        }),
        rate(&format!("perception training, frames in batches of {batch}"), batch, plan.each, || {
            trainer.train_batch(&dataset, 1e-4);
        }),
    ]
}

/// Fleet, camera, perception and policy together, as in evaluation.
fn whole_loop(plan: &BenchPlan) -> Result<Sample, FleetError> {
    let spec = DriverSpec::default();
    let worlds = 2 * plan.worlds;
    let drive = |index| bench_drive(index, 8, spec.camera);
    let perception = Trainer::new(spec.perception, TrainingSettings::default(), 1).expect("default settings");
    let policy = QNetwork::new(spec.policy, 1, &roadproof_perception::device::flex());
    let threads = all_cores();
    let beside = LearnedDriver::new(perception.perception(), policy, spec);
    let mut driver = ByTruth { camera: true, beside: Some(beside) };
    let mut rollout = Rollout::start((0..worlds as u64).map(drive).collect(), &mut driver, threads)?;
    Ok(rate("whole loop, decisions with camera, perception and policy", worlds, plan.each, || {
        rollout.step();
    }))
}

/// Decisions of a training without what is learnt from them, with worlds that are simulated while others are looked at, or without.
fn training_loop(plan: &BenchPlan, overlap: bool) -> Result<Sample, FleetError> {
    const DECISIONS: usize = 16;
    let (spec, worlds) = (DriverSpec::default(), 2 * plan.worlds);
    let perception =
        Trainer::new(spec.perception, TrainingSettings::default(), 1).expect("default settings").perception();
    let settings = EnvironmentSettings {
        roads: Roads::new(1, DriveStyle::default()),
        reward: RewardSettings::default(),
        memory: spec.memory,
        worlds,
        threads: all_cores(),
        overlap,
        found: Vec::new(),
    };
    let mut environment = Environment::new(settings, Some(perception), Hardening::default(), 0)?;
    let mut scripted = TaughtBeside(QNetwork::new(spec.policy, 1, &roadproof_perception::device::flex()));
    let mut driven = Ok(());
    let how = if overlap { "one half simulated while the other decides" } else { "in turn" };
    let sample = rate(&format!("training loop, decisions, {how}"), DECISIONS * worlds, plan.each, || {
        if driven.is_ok() {
            driven = environment.drive(DECISIONS, &mut scripted);
        }
    });
    driven.map(|()| sample)
}

/// The scripted driver, with a policy that decides beside it.
struct TaughtBeside(QNetwork);

impl Actor for TaughtBeside {
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
        std::hint::black_box(self.0.heads(group.features));
        (group.teacher)()
    }

    fn learn_of(&mut self, _: &Group<'_>, _: &Experience) {}
}

/// The scripted driver, with or without a camera. An untrained driver beside it may look and decide as well; its drives would end
/// at once, so what it asks for is thrown away.
struct ByTruth {
    camera: bool,
    beside: Option<LearnedDriver>,
}

impl Drives for ByTruth {
    fn needs_camera(&self) -> bool {
        self.camera
    }

    fn start(&mut self, seeds: &[Seed]) {
        self.beside.iter_mut().for_each(|driver| driver.start(seeds));
    }

    fn restart(&mut self, world: usize, seed: Seed) {
        self.beside.iter_mut().for_each(|driver| driver.restart(world, seed));
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        if let Some(driver) = &mut self.beside {
            std::hint::black_box(driver.act(seen));
        }
        Driver::Scripted.act(seen)
    }
}

fn rate(name: &str, units: usize, each: Duration, mut run: impl FnMut()) -> Sample {
    run();
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < each {
        run();
        done += units;
    }
    (name.to_owned(), done as f64 / start.elapsed().as_secs_f64())
}
