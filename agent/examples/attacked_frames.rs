//! Writes what a second implementation needs to attack the shipped driver's decisions on the same frames, and what our attacks
//! make of them: `cargo run --release --example attacked_frames -- FOLDER [FRAMES]`. `tests/referee/attacks.py` reads it.

use anyhow::Context;
use roadproof_agent::attack::end_to_end::{DecisionClassifier, EndToEnd};
use roadproof_agent::driver::{Drives, LearnedDriver};
use roadproof_agent::host::threads::all_cores;
use roadproof_agent::memory::situation::Situation;
use roadproof_agent::memory::{Memory, Odometry};
use roadproof_perception::attack::{Attacked, Batch, Budget, ClassScore, Norm, apgd_class, apgd_targeted, to_numbers};
use roadproof_sim::{DriveStyle, Fleet, Seed, Split, generate_drive};
use std::path::{Path, PathBuf};

/// Roads the frames are of; none was trained on.
const ROADS: u64 = 30;
/// Decisions from one frame that is taken to the next.
const EVERY: usize = 17;
/// Budgets, in grey levels.
const LEVELS: [f32; 3] = [0.5, 1.0, 2.0];
/// Steps of each walk.
const ITERATIONS: usize = 100;
/// Walks of each attack.
const RESTARTS: usize = 3;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("the folder to write to is missing")?);
    let count: usize = arguments.next().map_or(Ok(100), |text| text.parse()).context("the number of frames")?;
    std::fs::create_dir_all(&folder).with_context(|| format!("{folder:?}"))?;
    let mut driver = LearnedDriver::shipped()?;
    let situations = held_out(&mut driver, count)?;
    let frames: Vec<u8> = situations.iter().flat_map(|situation| &situation.frame).copied().collect();
    let end_to_end = EndToEnd::new(&driver);
    let settings = *driver.perception().settings();
    let shape = [count, settings.height, settings.width, 3];
    let situations: Vec<&Situation> = situations.iter().collect();
    let clean = to_numbers(&frames);
    let decisions = end_to_end.decide(&situations, &clean);
    write_npy(&folder.join("frames.npy"), "|u1", &shape, &frames)?;
    write_floats(
        &folder.join("odometry.npy"),
        &[count, 5],
        situations.iter().flat_map(|situation| numbers(&situation.odometry)),
    )?;
    let outputs = decisions.iter().flat_map(|decision| decision.outputs.clone());
    write_floats(&folder.join("outputs.npy"), &[count, decisions[0].outputs.len()], outputs)?;
    let heads = decisions.iter().flat_map(|decision| decision.heads.clone());
    write_floats(&folder.join("heads.npy"), &[count, decisions[0].heads.len()], heads)?;
    let classifier = DecisionClassifier { end_to_end: &end_to_end, situations: &situations };
    let batch = Batch::new(&classifier, &clean, &(0..count as u64).collect::<Vec<_>>());
    for level in LEVELS {
        let budget = Budget::new(Norm::Linf, level / 255.0).map_err(anyhow::Error::msg)?;
        let class = |score| apgd_class(&classifier, &batch, score, &budget, ITERATIONS, RESTARTS);
        write(&folder, "apgd-ce", level, &shape, &class(ClassScore::CrossEntropy))?;
        write(&folder, "apgd-dlr", level, &shape, &class(ClassScore::Dlr))?;
        write(&folder, "apgd-t", level, &shape, &apgd_targeted(&classifier, &batch, &budget, ITERATIONS, RESTARTS))?;
    }
    Ok(())
}

/// Frames of drives on held-out roads, with what the car knew of itself, and nothing remembered.
fn held_out(driver: &mut LearnedDriver, count: usize) -> anyhow::Result<Vec<Situation>> {
    let style = DriveStyle { camera: driver.spec().camera, ..DriveStyle::default() };
    let road = |road| generate_drive(Seed::of_split(Split::HeldOut, 7, road), &style);
    let mut fleet = Fleet::new((0..ROADS).map(road).collect(), all_cores())?;
    let mut seen = fleet.observe();
    driver.start(&vec![Seed(0); fleet.len()]);
    let mut situations = Vec::new();
    for decision in 1.. {
        let controls = driver.act(&seen);
        fleet.step(&controls, &mut seen);
        let running: Vec<usize> = (0..fleet.len()).filter(|&world| seen.verdicts[world].outcome.is_none()).collect();
        anyhow::ensure!(!running.is_empty(), "{ROADS} roads have no {count} frames");
        if decision % EVERY != 0 {
            continue;
        }
        for world in running {
            situations.push(Situation::new(&Memory::default(), &seen, world));
            if situations.len() == count {
                return Ok(situations);
            }
        }
    }
    anyhow::bail!("the drives have no end")
}

fn numbers(odometry: &Odometry) -> [f32; 5] {
    let Odometry { speed_mps, acceleration_mps2, yaw_rate_rad_per_s, steer_rad, speed_limit_mps } = *odometry;
    [speed_mps, acceleration_mps2, yaw_rate_rad_per_s, steer_rad, speed_limit_mps]
}

fn write(folder: &Path, name: &str, level: f32, shape: &[usize], attacked: &Attacked) -> anyhow::Result<()> {
    let broken: Vec<u8> = attacked.outcomes.iter().map(|outcome| u8::from(outcome.broken)).collect();
    println!("{name} at {level}/255: {} of {} broken", broken.iter().filter(|broken| **broken == 1).count(), shape[0]);
    write_npy(&folder.join(format!("{name}_{level}_broken.npy")), "|u1", &shape[..1], &broken)?;
    write_floats(&folder.join(format!("{name}_{level}.npy")), shape, attacked.pixels.iter().copied())
}

fn write_floats(path: &Path, shape: &[usize], values: impl Iterator<Item = f32>) -> anyhow::Result<()> {
    write_npy(path, "<f4", shape, &values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

/// An array in numpy's format, version 1.
fn write_npy(path: &Path, kind: &str, shape: &[usize], bytes: &[u8]) -> anyhow::Result<()> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Ten bytes come before the header, and the data begins at a multiple of 64.
    let padding = 64 - (10 + header.len() + 1) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(header.len() as u16).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(bytes);
    std::fs::write(path, file).with_context(|| format!("{path:?}"))
}
