//! How well the two renderers agree on what is where: silhouettes of classes, and depth.

use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::watch::second_camera::{MOST_WORLDS, SecondCamera, Shows};
use roadproof_sim::Class;
use roadproof_sim::{CameraSettings, Scenario};

/// Side of the pictures that are compared.
pub const SIDE_PX: u16 = 256;
/// A class counts in a picture if it fills more than this share of it.
const LEAST_SHARE: f32 = 0.01;

/// What was found over all poses.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Pictures compared.
    pub poses: usize,
    /// Class, pictures in which it counts, mean and least intersection over union of its two silhouettes.
    pub classes: Vec<(Class, usize, f32, f32)>,
    /// Median over pixels of the relative difference of depth, mean and greatest over pictures.
    pub depth: (f32, f32),
}

/// Drives scenarios with the scripted driver and compares both cameras every so many decisions, at most `poses_each` times.
///
/// # Errors
/// A scenario that cannot be built, or a renderer that gives no picture.
pub fn measure(scenarios: &[Scenario], every: usize, poses_each: usize) -> anyhow::Result<Agreement> {
    let scenarios: Vec<Scenario> = scenarios
        .iter()
        .map(|scenario| Scenario {
            camera: CameraSettings::square(SIDE_PX),
            perturbations: Vec::new(),
            recorded: None,
            ..scenario.clone()
        })
        .collect();
    let mut overlaps: Vec<Vec<f32>> = vec![Vec::new(); Class::ALL.len()];
    let mut depths = Vec::new();
    for group in scenarios.chunks(MOST_WORLDS) {
        let mut driver = Driver::Scripted;
        let mut rollout = Rollout::start(group.to_vec(), &mut driver, 2)?;
        let mut second = SecondCamera::new(rollout.fleet(), Shows::Labels);
        for _ in 0..poses_each {
            for _ in 0..every {
                // The driver looks at no frames; the comparison does.
                rollout.step_after(|fleet, _, _| fleet.set_camera(true));
            }
            let (running, seen) = (rollout.running(), rollout.seen());
            let (class, depth_m) = second.labels(rollout.fleet(), &seen.measures)?;
            let pixels = rollout.fleet().camera().pixels();
            for world in running {
                let span = world * pixels..(world + 1) * pixels;
                compare(seen.class_frame(world), &class[span.clone()], &mut overlaps);
                depths.push(depth_difference(seen.depth_frame(world), &depth_m[span]));
            }
        }
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let of_class = |(&class, overlaps): (&Class, &Vec<f32>)| {
        let least = overlaps.iter().copied().fold(1.0, f32::min);
        (!overlaps.is_empty()).then(|| (class, overlaps.len(), mean(overlaps), least))
    };
    Ok(Agreement {
        poses: depths.len(),
        classes: Class::ALL.iter().zip(&overlaps).filter_map(of_class).collect(),
        depth: (mean(&depths), depths.iter().copied().fold(0.0, f32::max)),
    })
}

/// Adds each class's intersection over union, if the class counts.
fn compare(ours: &[u8], theirs: &[u8], overlaps: &mut [Vec<f32>]) {
    let mut counts = vec![[0_usize; 2]; overlaps.len()];
    for (&our, &their) in ours.iter().zip(theirs) {
        for (class, [both, either]) in counts.iter_mut().enumerate() {
            let (our, their) = (usize::from(our) == class, usize::from(their) == class);
            *both += usize::from(our && their);
            *either += usize::from(our || their);
        }
    }
    for (class, (overlaps, [both, either])) in overlaps.iter_mut().zip(counts).enumerate() {
        let filled = ours.iter().filter(|&&our| usize::from(our) == class).count();
        if filled as f32 > LEAST_SHARE * ours.len() as f32 {
            overlaps.push(both as f32 / either as f32);
        }
    }
}

/// Median of the relative difference.
fn depth_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    let mut differences: Vec<f32> =
        ours.iter().zip(theirs).map(|(our, their)| (our - their).abs() / our.max(0.1)).collect();
    let middle = differences.len() / 2;
    *differences.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::window::display::check_graphics;
    use std::path::PathBuf;

    #[test]
    fn a_shift_by_a_pixel_costs_overlap() {
        let picture = |left: usize| -> Vec<u8> {
            let inside = |pixel: usize| (left..left + 20).contains(&(pixel % 64));
            (0..64 * 64).map(|pixel| if inside(pixel) { Class::Vehicle as u8 } else { Class::Road as u8 }).collect()
        };
        let mut overlaps = vec![Vec::new(); Class::ALL.len()];
        compare(&picture(10), &picture(10), &mut overlaps);
        compare(&picture(10), &picture(11), &mut overlaps);
        assert_eq!(overlaps[Class::Vehicle as usize], [1.0, 19.0 / 21.0]);
        assert!(overlaps[Class::Sky as usize].is_empty());
        assert!((depth_difference(&[10.0; 9], &[10.1; 9]) - 0.01).abs() < 1e-5);
    }

    /// The bound that is asked for: 200 poses over the library, silhouettes overlap by 0.97 in the mean for every class that fills
    /// more than 1 % of the picture, depth agrees within 1 % at the median.
    #[test]
    fn the_renderers_agree_over_the_library() {
        check_graphics().expect("a graphics driver, which CI installs");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let files = roadproof_sim::scenario::find(&[folder]).expect("the library");
        let scenarios: Vec<Scenario> = files
            .iter()
            .map(|file| roadproof_sim::read(file).expect("a scenario of the library").into_scenario())
            .collect();
        let found = measure(&scenarios, 13, 9).expect("pictures");
        println!(
            "{} poses; depth differs by {:.4} in the mean of medians, {:.4} at most",
            found.poses, found.depth.0, found.depth.1
        );
        for (class, pictures, mean, least) in &found.classes {
            println!("{class:?}: {pictures} pictures, mean IoU {mean:.4}, least {least:.4}");
        }
        assert!(found.poses >= 200, "{} poses", found.poses);
        assert!(found.depth.1 <= 0.01, "{:?}", found.depth);
        for (class, pictures, mean, _) in found.classes {
            assert!(mean >= 0.97, "{class:?}: {mean} over {pictures} pictures");
        }
    }
}
