//! Trains the same perception on flex and on other devices, from the same weights and on the same frames, and holds their losses against
//! each other.
//!
//! ```sh
//! cargo run --release -p roadproof-perception --features wgpu --example compare_devices -- wgpu
//! ```
//!
//! Rounding differs between devices, and a training makes small differences larger: the losses of the first steps are to be equal but for
//! rounding, those of the last fifty in the mean. Exit codes: 0 they are, 1 they are not, 2 a device cannot be used.

use roadproof_perception::device::ComputeBackend;
use roadproof_perception::{Dataset, PerceptLabel, Perception, PerceptionSettings, Trainer, TrainingSettings};
use std::process::ExitCode;
use std::time::Instant;

const STEPS: usize = 200;
/// Steps in which losses are equal but for rounding.
const FIRST: usize = 3;
/// Steps whose mean loss is compared.
const LAST: usize = 50;
/// How far the losses of the first steps may be apart, as a share of the first one; metres for what is seen.
const ROUNDING: f32 = 1e-3;
/// How far the mean losses of the last steps may be apart, as a share of how far they have fallen: a loss of likelihoods goes below nought.
/// By then rounding has made two trainings of one, so that no more can be asked than that both learn about as much.
const APART: f32 = 0.2;

/// Frames with a bright stripe whose place is the lane offset.
fn frames(settings: &PerceptionSettings) -> Dataset {
    let (width, height) = (settings.width, settings.height);
    let mut dataset = Dataset::new(width, height);
    for number in 0..256_usize {
        let stripe = number * 7 % (width - 8);
        let grey = 60 + (number * 13 % 80) as u8;
        let pixel = |index: usize| {
            let (row, column) = (index / width, index % width);
            if (stripe..stripe + 8).contains(&column) { 230 } else { grey + (row * 5 % 40) as u8 }
        };
        let rgb: Vec<u8> = (0..width * height).flat_map(|index| [pixel(index); 3]).collect();
        let lane_offset_m = 3.0 * stripe as f32 / width as f32 - 1.5;
        let gap_m = (number % 3 == 0).then_some(5.0 + (number % 40) as f32);
        let label = PerceptLabel { lane_offset_m, gap_m, ..PerceptLabel::default() };
        let classes: Vec<u8> = (0..width * height).map(|index| u8::from(pixel(index) == 230)).collect();
        dataset.push(&rgb, &classes, label).expect("frames of this size");
    }
    dataset
}

/// Trains on a device; returns the losses, what was learnt, and seconds.
fn train(backend: ComputeBackend, data: &Dataset) -> Result<(Vec<f32>, Perception, f64), String> {
    let device = backend.device().map_err(|error| error.to_string())?;
    let (settings, training) = (PerceptionSettings::default(), TrainingSettings::default());
    let mut trainer = Trainer::new(settings, training, 7).map_err(|error| error.to_string())?.on(&device);
    let begun = Instant::now();
    let losses = (0..STEPS).map(|step| {
        let learning_rate = training.learning_rate_at(step as f64 / STEPS as f64);
        trainer.train_batch(data, learning_rate).total
    });
    let losses = losses.collect();
    Ok((losses, trainer.perception(), begun.elapsed().as_secs_f64()))
}

fn mean(losses: &[f32]) -> f32 {
    losses.iter().sum::<f32>() / losses.len() as f32
}

/// The greatest difference between what two perceptions say of the lane offset, in metres.
fn differ_m(one: &Perception, other: &Perception, data: &Dataset) -> f32 {
    let all = data.frames(0, data.len());
    let both = one.see(all).into_iter().zip(other.see(all));
    both.map(|(one, other)| (one.lane_offset_m - other.lane_offset_m).abs()).fold(0.0, f32::max)
}

fn compare(backend: ComputeBackend) -> Result<bool, String> {
    let data = frames(&PerceptionSettings::default());
    let (usual, flex, usual_s) = train(ComputeBackend::Flex, &data)?;
    let (losses, network, seconds) = train(backend, &data)?;
    println!("step    flex    {backend}");
    for step in [0, 1, 2, 9, 49, 99, 149, STEPS - 1] {
        println!("{:>4} {:>7.4} {:>7.4}", step + 1, usual[step], losses[step]);
    }
    let scale = usual[0].abs();
    let first = usual.iter().zip(&losses).take(FIRST).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale;
    let (here, there) = (mean(&usual[STEPS - LAST..]), mean(&losses[STEPS - LAST..]));
    let last = (here - there).abs() / (usual[0] - here);
    // The same weights on both: what the network says must not depend on where it computes.
    let device = backend.device().map_err(|error| error.to_string())?;
    let moved_m = differ_m(&flex, &flex.on(&device), &data);
    let back_m = differ_m(&network, &network.on(&ComputeBackend::Flex.device().map_err(|it| it.to_string())?), &data);
    println!("first {FIRST} steps differ by {first:.1e} of the first loss, allowed {ROUNDING}");
    println!("last {LAST} steps: {here:.4} and {there:.4}, apart by {last:.3} of what they fell, allowed {APART}");
    println!("the same weights see lane offsets within {moved_m:.1e} m and {back_m:.1e} m, allowed {ROUNDING}");
    println!(
        "{STEPS} steps: {usual_s:.1} s on flex, {seconds:.1} s on {backend}, {:.2} times as fast",
        usual_s / seconds
    );
    Ok(first <= ROUNDING && last <= APART && moved_m.max(back_m) <= ROUNDING && there < 0.5 * usual[0])
}

fn main() -> ExitCode {
    let named: Result<Vec<ComputeBackend>, String> = std::env::args().skip(1).map(|name| name.parse()).collect();
    let all = named.and_then(|named| named.into_iter().map(compare).collect::<Result<Vec<bool>, String>>());
    match all {
        Ok(all) if all.iter().all(|agrees| *agrees) => ExitCode::SUCCESS,
        Ok(_) => {
            println!("the devices do not agree");
            ExitCode::FAILURE
        }
        Err(missing) => {
            eprintln!("error: {missing}");
            ExitCode::from(2)
        }
    }
}
