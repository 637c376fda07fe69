//! Criterion benchmarks of the hot paths. `roadproof bench` prints the table users compare; these watch for regressions.

use criterion::{Criterion, Throughput};
use roadproof_env::scripted_controls;
use roadproof_perception::{PerceptionSettings, Trainer, TrainingSettings};
use roadproof_sim::{CameraSettings, DriveStyle, Fleet, Seed, Split, generate_drive};

const WORLDS: usize = 32;

/// Fleet steps per second on generated roads with traffic: the ceiling of every training run.
fn fleet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet");
    group.throughput(Throughput::Elements(WORLDS as u64)).sample_size(20);
    for (name, camera) in [("step/no_camera", false), ("step/camera_84", true)] {
        let style = DriveStyle { camera: CameraSettings::square(84), length_m: 2000.0, ..DriveStyle::default() };
        let drives = (0..WORLDS as u64).map(|road| generate_drive(Seed::of_split(Split::Train, 1, road), &style));
        let drives: Vec<_> = drives.collect();
        let mut fleet = Fleet::new(drives.clone(), 1).expect("generated drives can be built");
        fleet.set_camera(camera);
        let mut seen = fleet.observe();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let worlds = seen.measures.iter().zip(&seen.vehicles);
                let controls: Vec<_> = worlds.map(|(measures, vehicle)| scripted_controls(measures, vehicle)).collect();
                fleet.step(&controls, &mut seen);
                // A world whose drive has ended costs nothing: start anew, as in training.
                let ended: Vec<usize> = (0..WORLDS).filter(|&world| seen.verdicts[world].outcome.is_some()).collect();
                if !ended.is_empty() {
                    let again = ended.iter().map(|&world| (world, drives[world].clone()));
                    fleet.restart(again.collect(), &mut seen).expect("it could be built before");
                }
            });
        });
    }
    group.finish();
}

/// Frames per second through perception.
fn perception(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("perception");
    let settings = PerceptionSettings::default();
    let frames: Vec<u8> = (0..settings.width * settings.height * 3 * WORLDS).map(|index| (index % 251) as u8).collect();
    let perception = Trainer::new(settings, TrainingSettings::default(), 1).expect("default settings").perception();
    group.throughput(Throughput::Elements(WORLDS as u64)).sample_size(20);
    group.bench_function("see", |bench| bench.iter(|| perception.see(&frames)));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    fleet(&mut criterion);
    perception(&mut criterion);
    criterion.final_summary();
}
