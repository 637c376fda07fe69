//! How fast perception sees and learns on devices, and whether their memory stays what it is.
//!
//! ```sh
//! cargo run --release -p roadproof-perception --features cuda --example device_speed -- flex cuda
//! ```
//!
//! Ratios within one run count: machines are busy at one time and idle at another.

use roadproof_perception::device::ComputeBackend;
use roadproof_perception::{Dataset, PerceptLabel, PerceptionSettings, Trainer, TrainingSettings};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Frames that are seen at once.
const SEEN: [usize; 3] = [256, 1024, 4096];
/// Frames of an optimiser step.
const LEARNT: [usize; 2] = [128, 1024];
/// Each figure is the median of so many rounds, each of so long.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);
/// Optimiser steps over which memory is looked at, after those in which a device gets ready.
const WATCHED_STEPS: usize = 2000;
const FIRST_STEPS: usize = 50;

fn frames(settings: &PerceptionSettings, count: usize) -> Dataset {
    let mut dataset = Dataset::new(settings.width, settings.height);
    for number in 0..count {
        let rgb: Vec<u8> = (0..settings.frame_bytes()).map(|index| ((index + number) * 31 % 251) as u8).collect();
        let label = PerceptLabel { lane_offset_m: number as f32 / count as f32, ..PerceptLabel::default() };
        dataset.push(&rgb, &vec![2; settings.width * settings.height], label).expect("frames of this size");
    }
    dataset
}

/// Units per second: the median of the rounds, after one that does not count.
fn rate(units: usize, mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let (begun, mut done) = (Instant::now(), 0);
            while begun.elapsed() < ROUND {
                work();
                done += units;
            }
            done as f64 / begun.elapsed().as_secs_f64()
        })
        .skip(1)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn measure(backend: ComputeBackend) -> Result<(), String> {
    let device = backend.device().map_err(|error| error.to_string())?;
    let settings = PerceptionSettings::default();
    let data = frames(&settings, 256);
    let trainer = |batch: usize| {
        let training = TrainingSettings { batch, ..TrainingSettings::default() };
        Trainer::new(settings, training, 1).map(|trainer| trainer.on(&device)).map_err(|error| error.to_string())
    };
    let perception = trainer(1)?.perception();
    for count in SEEN {
        let rgb: Vec<u8> =
            data.frames(0, data.len()).iter().copied().cycle().take(count * settings.frame_bytes()).collect();
        let per_s = rate(count, || {
            std::hint::black_box(perception.see(&rgb));
        });
        println!("{backend:<5} sees {per_s:>9.0} frames/s, {count} at once");
    }
    for batch in LEARNT {
        let mut trainer = trainer(batch)?;
        let per_s = rate(batch, || {
            trainer.train_batch(&data, 1e-4);
        });
        println!("{backend:<5} learns from {per_s:>9.0} frames/s, {batch} in a step");
    }
    let mut trainer = trainer(LEARNT[0])?;
    let mut steps = |count: usize| (0..count).for_each(|_| _ = trainer.train_batch(&data, 1e-4));
    steps(FIRST_STEPS);
    let before = device.memory_pool_usage();
    steps(WATCHED_STEPS);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    match (before, device.memory_pool_usage()) {
        (Some(before), Some(after)) => println!(
            "{backend:<5} holds {:.1} MiB, and {:.1} MiB after {WATCHED_STEPS} more steps; {:.1} and {:.1} MiB are in use",
            mib(before.bytes_reserved),
            mib(after.bytes_reserved),
            mib(before.bytes_in_use),
            mib(after.bytes_in_use)
        ),
        _ => println!("{backend:<5} does not tell how much memory it uses"),
    }
    Ok(())
}

fn main() -> ExitCode {
    let named: Result<Vec<ComputeBackend>, String> = std::env::args().skip(1).map(|name| name.parse()).collect();
    match named.and_then(|named| named.into_iter().try_for_each(measure)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(missing) => {
            eprintln!("error: {missing}");
            ExitCode::from(2)
        }
    }
}
