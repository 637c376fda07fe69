//! Outputs of the network that gradients cannot see: those over which no feature of the policy has a slope, though a larger change
//! that lasts would change some.
//!
//! A filter that believes in a car only after several frames has no slope over what one frame says of it. A loss over decisions then
//! finds nothing to do, however strong the attack, and drives look safe from what nobody tried: only an attack that pushes the output
//! itself can tell.

use crate::attack::end_to_end::EndToEnd;
use crate::attack::goal::DecisionLoss;
use crate::attack::method::LossMethod;
use crate::memory::FEATURES;
use crate::robustness::attacks::attacked::{DrivePlan, strongest};
use crate::robustness::attacks::curve::seed_of;
use crate::robustness::attacks::sample::SampledDecision;
use rayon::prelude::*;
use roadproof_perception::attack::{Objective, to_numbers};
use roadproof_perception::{OUTPUTS, Output, percept};

/// The change by which slopes over outputs are measured wherever gradients are taken.
const SMALL: f32 = 1e-2;
/// Larger changes, in what one is of an output; a network says such things of other frames.
const LARGE: [f32; 3] = [1.0, 4.0, 8.0];
/// Decisions in a row that a larger change lasts.
const LASTS: usize = 10;

/// What gradients see of one output.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::robustness) struct HiddenOutput {
    pub output: &'static str,
    /// Decisions in which no feature has a slope over it, though a larger change of it alone, in that frame and some that follow,
    /// changes features.
    pub hidden: usize,
    /// Attacks on drives that push it whatever its slope.
    pub pushed_by: Vec<&'static str>,
    /// Decisions among the hidden ones in which the first of these attacks gets further than random frames do.
    pub moved: usize,
}

/// How hard outputs are pushed, to see whether they move.
#[derive(Clone, Copy, Debug)]
pub(in crate::robustness) struct Push {
    /// Width and height of a frame.
    pub size: (usize, usize),
    /// The budget in grey levels.
    pub eps_levels: f32,
    /// Steps of the attack.
    pub steps: usize,
    /// Random frames that are held against it.
    pub tries: usize,
    /// Seed of both.
    pub seed: u64,
}

/// Counts what is hidden in decisions of drives, and tries whether attacks that were run on drives move it.
pub(in crate::robustness) fn hidden_outputs(
    end_to_end: &EndToEnd,
    decisions: &[SampledDecision],
    attacks: &[&DrivePlan],
    push: &Push,
) -> Vec<HiddenOutput> {
    let hidden: Vec<[bool; OUTPUTS]> = decisions.par_iter().map(|decision| hidden_in(end_to_end, decision)).collect();
    let of_output = |output: Output| {
        let pushes = |attack: &&&DrivePlan| attack.goal.pushes().is_some_and(|slopes| slopes[output.index()] != 0.0);
        let rows: Vec<usize> = (0..decisions.len()).filter(|&row| hidden[row][output.index()]).collect();
        let moved = attacks.iter().find(pushes).map_or(0, |attack| {
            rows.par_iter().filter(|&&row| is_moved(end_to_end, &decisions[row], attack, push, row)).count()
        });
        HiddenOutput {
            output: output.name(),
            hidden: rows.len(),
            pushed_by: attacks.iter().filter(pushes).map(|attack| attack.name).collect(),
            moved,
        }
    };
    Output::ALL.map(of_output).into()
}

/// Whether an attack that pushes outputs gets further with a frame than random frames do.
fn is_moved(end_to_end: &EndToEnd, decision: &SampledDecision, attack: &DrivePlan, push: &Push, row: usize) -> bool {
    let situation = &decision.situation;
    let frame = to_numbers(&situation.frame);
    let clean = end_to_end.decide(&[situation], &frame).swap_remove(0);
    let (situations, clean) = ([situation], [&clean]);
    let loss = DecisionLoss { end_to_end, situations: &situations, clean: &clean, goal: attack.goal };
    let reached = |method, effort| {
        let seeds = [seed_of(push.seed, row)];
        let found = strongest(method, &loss, &frame, push.size, push.eps_levels, effort, &seeds);
        loss.evaluate(&found)[0].loss
    };
    reached(attack.method, push.steps) > reached(LossMethod::Noise, push.tries)
}

fn hidden_in(end_to_end: &EndToEnd, decision: &SampledDecision) -> [bool; OUTPUTS] {
    let situation = &decision.situation;
    let found = end_to_end.decide(&[situation], &to_numbers(&situation.frame)).swap_remove(0);
    let outputs: [f32; OUTPUTS] = found.outputs.try_into().expect("outputs of one frame");
    let features = |output: usize, by: f32, frames: usize| {
        let mut moved = outputs;
        moved[output] += by;
        let (mut memory, mut features) = (situation.memory.clone(), [0.0; FEATURES]);
        for _ in 0..frames {
            memory.observe(&percept(&moved), situation.odometry, situation.decision_s, &mut features);
        }
        features
    };
    let in_the_end = features(0, 0.0, LASTS);
    std::array::from_fn(|output| {
        let flat = features(output, SMALL, 1) == features(output, -SMALL, 1);
        let matters = |by: f32| features(output, by, LASTS) != in_the_end;
        flat && LARGE.into_iter().any(|by| matters(by) || matters(-by))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;
    use crate::robustness::attacks::attacked::DRIVE_ATTACKS;
    use crate::robustness::attacks::sample::collect;
    use roadproof_sim::{DriveStyle, Seed, generate_drive};

    /// The hardened driver believes in a car only after frames in a row: on an empty road one frame moves no feature.
    #[test]
    fn a_lead_that_no_slope_shows_is_named_with_the_attacks_that_push_it() {
        let driver = LearnedDriver::hardened().expect("it is built in");
        let style = DriveStyle { max_cars: 0, ..DriveStyle::default() };
        let roads = (0..2).map(|road| generate_drive(Seed(road), &style)).collect();
        let decisions = collect(&driver, roads, 12).expect("roads that can be built");
        let end_to_end = EndToEnd::new(&driver);
        let camera = driver.spec().camera;
        let size = (usize::from(camera.width_px), usize::from(camera.height_px));
        let of = |attacks: &[&DrivePlan], output: Output, eps_levels: f32| {
            let push = Push { size, eps_levels, steps: 3, tries: 20, seed: 1 };
            hidden_outputs(&end_to_end, &decisions, attacks, &push)[output.index()].clone()
        };
        let all: Vec<&DrivePlan> = DRIVE_ATTACKS.iter().collect();
        let lead = of(&all, Output::Lead, 2.0);
        assert!(lead.hidden > 6 && lead.moved == lead.hidden, "{lead:?}");
        assert!(lead.pushed_by.contains(&"apgd, show a ghost"), "{lead:?}");
        assert_eq!(of(&all, Output::Lead, 0.0).moved, 0, "without a budget nothing moves");
        let doubt = of(&all, Output::GapScale, 2.0);
        assert!(doubt.pushed_by.contains(&"apgd, show a ghost"), "who shows a car is certain of its gap: {doubt:?}");
        let without: Vec<&DrivePlan> = all.iter().copied().filter(|attack| attack.goal.direction().is_none()).collect();
        let lead = of(&without, Output::Lead, 2.0);
        assert!(lead.pushed_by.is_empty() && lead.moved == 0);
        assert_eq!(of(&all, Output::LaneOffset, 2.0).hidden, 0, "the lane has a slope at any time");
    }
}
