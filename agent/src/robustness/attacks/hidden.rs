//! Outputs of the network that gradients cannot see: those over which no feature of the policy has a slope, though a larger change
//! that lasts would change some.
//!
//! A filter that believes in a car only after several frames has no slope over what one frame says of it. A loss over decisions then
//! finds nothing to do, however strong the attack, and drives look safe from what nobody tried: only an attack that pushes the output
//! itself can tell.

use crate::attack::end_to_end::EndToEnd;
use crate::memory::FEATURES;
use crate::robustness::attacks::attacked::DrivePlan;
use crate::robustness::attacks::sample::SampledDecision;
use rayon::prelude::*;
use roadproof_perception::attack::to_numbers;
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
}

/// Counts what is hidden in decisions of drives.
pub(in crate::robustness) fn hidden_outputs(
    end_to_end: &EndToEnd,
    decisions: &[SampledDecision],
    attacks: &[DrivePlan],
) -> Vec<HiddenOutput> {
    let hidden: Vec<[bool; OUTPUTS]> = decisions.par_iter().map(|decision| hidden_in(end_to_end, decision)).collect();
    let of_output = |output: Output| {
        let pushes = |attack: &&DrivePlan| attack.goal.pushes().is_some_and(|slopes| slopes[output.index()] != 0.0);
        HiddenOutput {
            output: output.name(),
            hidden: hidden.iter().filter(|hidden| hidden[output.index()]).count(),
            pushed_by: attacks.iter().filter(pushes).map(|attack| attack.name).collect(),
        }
    };
    Output::ALL.map(of_output).into()
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
    use crate::attack::goal::Goal;
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
        let of = |attacks: &[DrivePlan], output: Output| {
            hidden_outputs(&end_to_end, &decisions, attacks)[output.index()].clone()
        };
        let lead = of(&DRIVE_ATTACKS, Output::Lead);
        assert!(lead.hidden > 6, "{lead:?}");
        assert!(lead.pushed_by.contains(&"apgd, show a ghost"), "{lead:?}");
        let doubt = of(&DRIVE_ATTACKS, Output::GapScale);
        assert!(doubt.pushed_by.contains(&"apgd, show a ghost"), "who shows a car is certain of its gap: {doubt:?}");
        let without: Vec<DrivePlan> =
            DRIVE_ATTACKS.into_iter().filter(|attack| attack.goal.direction().is_none()).collect();
        assert!(of(&without, Output::Lead).pushed_by.is_empty());
        assert_eq!(of(&DRIVE_ATTACKS, Output::LaneOffset).hidden, 0, "the lane has a slope at any time");
        assert!(DRIVE_ATTACKS.iter().any(|attack| attack.goal == Goal::Hide));
    }
}
