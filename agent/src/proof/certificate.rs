//! Certificates of decisions: that no frame within an L∞ distance of the one the camera took changes the action. From the bounds
//! of the percept, through the memory, to those of the policy.
//!
//! A certificate is about one decision, with the memory as it is before the frame. Whether a whole drive holds is another
//! question: an attack that changes no action still changes what is remembered. It is about the networks as real functions, and about
//! memory and trackers in f32. What the networks lose in f32 is covered by margins that were measured and not proven, see
//! [`roadproof_perception::proof::network`]: strictly, a certificate is strong evidence and no proof of the program that drives.
//!
//! A budget below one grey level moves no byte of a frame: what is certified there is a property of the networks, by which they can be
//! compared, and no statement about anything that a camera delivers.
//!
//! Interval bounds are loose for networks that were not trained for them: how little they show stands in
//! `assets/results/certificates.md`. At an eps of zero only the margins for rounding are left, in which the nearest
//! choices cannot be told apart. A larger share asks for a perception and a policy that are trained for narrow bounds.
//!
//! # Source
//! The share of certified decisions, ACR: Oikarinen et al. 2021 (RADIAL), arXiv:2008.01976; certified actions: Zhang et al. 2020 (SA-MDP), arXiv:2003.08938.

use crate::driver::LearnedDriver;
use crate::memory::FeatureBounds;
use crate::memory::situation::Situation;
use crate::proof::policy::BoundedPolicy;
use roadproof_env::action::Action;
use roadproof_perception::attack::to_numbers;
use roadproof_perception::proof::network::{BoundedPerception, percept_bounds};

/// A driver's networks, ready to be bounded.
#[derive(Clone, Debug)]
pub struct Certifier {
    perception: BoundedPerception,
    policy: BoundedPolicy,
}

impl Certifier {
    /// Of a driver as it is now.
    #[must_use]
    pub fn new(driver: &LearnedDriver) -> Self {
        let (perception, policy) = (BoundedPerception::new(driver.perception()), BoundedPolicy::new(driver.policy()));
        Self { perception, policy }
    }

    /// Boxes that hold the policy's input for every frame within `eps`, 0 to 1, of the given one; one for each case of a car
    /// ahead.
    ///
    /// A driver that refuses stale frames could be shown the `previous` one again, as it saw it; only if that is known, and known to
    /// be further away than the budget, is the case left out. Digests are taken not to collide.
    #[must_use]
    pub fn features(&self, situation: &Situation, previous: Option<&[u8]>, eps: f32) -> Vec<FeatureBounds> {
        let Situation { memory, odometry, decision_s, frame } = situation;
        let outputs = self.perception.outputs(&to_numbers(frame), eps)[0];
        let reachable = |other: &[u8]| {
            // Half a grey level more than the budget: which bytes a frame rounds to is not our business.
            other.iter().zip(frame).all(|(a, b)| f32::from(a.abs_diff(*b)) <= 255.0 * eps + 0.5)
        };
        memory.bounds(&percept_bounds(&outputs), *odometry, *decision_s, previous.is_none_or(reachable))
    }

    /// Whether a driver takes this action for every frame within `eps`; see [`Self::features`].
    #[must_use]
    pub fn certified(&self, situation: &Situation, previous: Option<&[u8]>, action: Action, eps: f32) -> bool {
        let cases = self.features(situation, previous, eps);
        // A box for no case would be a certificate of nothing.
        !cases.is_empty() && cases.iter().all(|features| self.policy.certifies(features, action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::end_to_end::EndToEnd;
    use crate::attack::goal::{DecisionLoss, Goal};
    use crate::driver::{DriverSpec, Drives};
    use crate::memory::{FEATURES, Memory, MemorySettings, Odometry};
    use crate::policy::{OUTPUTS as HEADS, QValues};
    use burn::module::Param;
    use burn::prelude::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use roadproof_perception::attack::{Budget, Differentiable, Norm, PgdSettings, pgd};
    use roadproof_perception::proof::interval::Interval;
    use roadproof_perception::{OUTPUTS, Percept, percept};
    use roadproof_sim::{Episode, Scenario};

    /// A drive behind a slower car, in which the car ahead comes into view.
    const SCENARIO: &str = "Scenario(format: 1, title: \"t\", duration_s: 6.0, road: Straight(length_m: 300.0), \
        ego: (speed_mps: 11.0, offset_m: 0.3), actors: [(name: \"lead\", start: (lane: 0, s_m: 40.0, speed_mps: 6.0))])";

    fn scenario() -> Scenario {
        roadproof_sim::parse(SCENARIO, "t.ron".as_ref()).expect("a scenario").into_scenario()
    }

    fn driver(memory: MemorySettings) -> LearnedDriver {
        let shipped = LearnedDriver::shipped().expect("the shipped weights are whole");
        let spec = DriverSpec { memory, ..*shipped.spec() };
        LearnedDriver::new(shipped.perception().clone(), shipped.policy().clone(), spec)
    }

    /// The settings that change what bounds there are.
    const MEMORIES: [MemorySettings; 3] = [
        MemorySettings { track_lane: false, believe_lead: false, refuse_stale: false },
        MemorySettings { track_lane: true, believe_lead: false, refuse_stale: false },
        MemorySettings::STEADY,
    ];

    fn inside(boxes: &[FeatureBounds], features: &[f32]) -> bool {
        boxes.iter().any(|bounds| bounds.iter().zip(features).all(|(bound, value)| bound.contains(*value)))
    }

    /// The memory through a random history, and bounds of what it makes of percepts within random bounds.
    #[test]
    fn features_stay_within_their_boxes_for_every_percept_within_bounds() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let (mut tried, mut caught) = (0, 0);
        for memory in MEMORIES {
            for history in [0, 1, 2, 3, 6, 12].repeat(28) {
                let mut memory = Memory::new(memory);
                let odometry = Odometry {
                    speed_mps: random.random_range(0.0..15.0),
                    yaw_rate_rad_per_s: random.random_range(-0.1..0.1),
                    speed_limit_mps: 13.0,
                    ..Odometry::default()
                };
                let mut outputs: [f32; OUTPUTS] = std::array::from_fn(|_| random.random_range(-1.5..1.5));
                for _ in 0..history {
                    outputs.iter_mut().for_each(|output| *output += random.random_range(-0.2..0.2));
                    memory.observe(&percept(&outputs), odometry, 0.1, &mut [0.0; FEATURES]);
                }
                let size = 10_f64.powf(random.random_range(-4.0..0.3));
                let bounds = outputs.map(|output| Interval::exactly(output).widened(size * random.random::<f64>()));
                let boxes = memory.bounds(&percept_bounds(&bounds), odometry, 0.1, false);
                let halved = bounds.map(|bound| Interval::exactly(bound.centre() as f32).widened(0.5 * bound.radius()));
                let smaller = memory.bounds(&percept_bounds(&halved), odometry, 0.1, false);
                let mut left = false;
                for point in 0..200 {
                    let corner = random.next_u64();
                    let outputs: [f32; OUTPUTS] = std::array::from_fn(|index| {
                        let share: f64 = random.random();
                        let share = if point % 2 == 0 { share } else { (corner >> index & 1) as f64 };
                        let within = (bounds[index].low + share * (bounds[index].high - bounds[index].low)) as f32;
                        // The nearest f32 may be outside.
                        if bounds[index].contains(within) { within } else { outputs[index] }
                    });
                    let mut features = [0.0; FEATURES];
                    memory.clone().observe(&percept(&outputs), odometry, 0.1, &mut features);
                    assert!(inside(&boxes, &features), "{features:?}\n{boxes:?}");
                    left |= !inside(&smaller, &features);
                    tried += 1;
                }
                caught += usize::from(left);
            }
        }
        assert!(tried == 100_800 && caught > 252, "bounds of half the radius are left in {caught} of 504 cases only");
    }

    #[test]
    fn a_frame_that_may_be_stale_is_a_case_of_its_own() {
        let mut memory = Memory::new(MemorySettings::STEADY);
        let odometry = Odometry { speed_mps: 9.0, ..Odometry::default() };
        let seen = percept(&[0.2, 0.1, 0.1, 0.3, -1.0, -1.0, -1.0, -1.0, 3.0]);
        let mut features = [0.0; FEATURES];
        (0..5).for_each(|frame| memory.look(&[frame], &seen, odometry, 0.1, &mut features));
        let other =
            [0.9_f32, 0.3, 0.1, 0.3, -1.0, -1.0, -1.0, -1.0, 3.0].map(|output| Interval::exactly(output).widened(1e-3));
        let bounds = |repeated| memory.bounds(&percept_bounds(&other), odometry, 0.1, repeated);
        memory.clone().look(&[4], &Percept::default(), odometry, 0.1, &mut features);
        assert!(!inside(&bounds(false), &features) && inside(&bounds(true), &features));
    }

    /// A driver whose choices depend less on what it sees, so that some are certified for budgets that attacks can use.
    fn calm(memory: MemorySettings) -> LearnedDriver {
        let driver = driver(memory);
        let mut policy = driver.policy().clone();
        policy.heads.weight = Param::from_tensor(policy.heads.weight.val() * 0.02);
        let preferred: Vec<f32> = (0..HEADS).map(|head| if head == 6 || head == 15 { 0.2 } else { 0.0 }).collect();
        let bias = Tensor::from_data(TensorData::new(preferred, [HEADS]), &roadproof_perception::device::flex());
        policy.heads.bias = Some(Param::from_tensor(bias));
        LearnedDriver::new(driver.perception().clone(), policy, *driver.spec())
    }

    #[test]
    fn no_frame_of_the_box_changes_a_certified_action_or_leaves_the_boxes() {
        for (eps, calm, certain) in [(1.0, true, false), (0.003, true, true), (0.02, false, false)] {
            let certified: usize = MEMORIES.into_iter().map(|memory| check_drive(memory, eps / 255.0, calm)).sum();
            assert!(certified > 3 || !certain, "eps {eps} / 255: {certified} certified");
        }
    }

    /// Every decision of a clean drive: what the driver has before it, the frame before, and what it does.
    fn decisions(driver: &mut LearnedDriver) -> Vec<(Situation, Option<Vec<u8>>, Action)> {
        driver.start(&[scenario().seed]);
        let mut episode = Episode::new(scenario()).expect("a world");
        let mut decisions: Vec<(Situation, Option<Vec<u8>>, Action)> = Vec::new();
        while episode.verdict().outcome.is_none() {
            let seen = episode.seen();
            let situation = Situation::new(driver.memory(0), seen, 0);
            let Situation { memory, odometry, decision_s, frame } = situation.clone();
            let mut features = [0.0; FEATURES];
            { memory }.look(&frame, &driver.perception().see(&frame)[0], odometry, decision_s, &mut features);
            let action = QValues(&driver.policy().heads(&features)).best();
            let previous = decisions.last().map(|(before, ..)| before.frame.clone());
            decisions.push((situation, previous, action));
            let controls = driver.act(seen)[0];
            episode.step(controls);
        }
        decisions
    }

    /// Frames of a drive, with random frames and attacks of each within a budget; returns how many were certified.
    fn check_drive(memory: MemorySettings, eps: f32, calmed: bool) -> usize {
        let budget = Budget::new(Norm::Linf, eps).unwrap();
        let mut random = Pcg64Mcg::seed_from_u64(5);
        let mut driver = if calmed { calm(memory) } else { driver(memory) };
        let network = Differentiable::new(driver.perception());
        let (end_to_end, policy) = (EndToEnd::new(&driver), driver.policy().clone());
        let (decisions, certifier) = (decisions(&mut driver), Certifier::new(&driver));
        assert!(decisions.len() > 30);
        let mut certified = 0;
        for (situation, previous, clean) in decisions.iter().step_by(6) {
            let numbers = to_numbers(&situation.frame);
            let boxes = certifier.features(situation, previous.as_deref(), eps);
            let holds = certifier.certified(situation, previous.as_deref(), *clean, eps);
            certified += usize::from(holds);
            let mut frames: Vec<f32> = Vec::new();
            for _ in 0..40 {
                frames.extend(budget.random_start(&numbers, &mut random));
            }
            for goal in [Goal::Other, Goal::Worst] {
                let decision = end_to_end.decide(&[situation], &numbers).swap_remove(0);
                let (situations, clean) = (&[situation][..], &[&decision][..]);
                let loss = DecisionLoss { end_to_end: &end_to_end, situations, clean, goal };
                frames.extend(pgd(&loss, &numbers, &budget, &PgdSettings::default(), &[3]).pixels);
            }
            for outputs in network.outputs(&frames).chunks_exact(OUTPUTS) {
                let features = situation.features(&percept(outputs));
                assert!(inside(&boxes, &features), "{:?}: {features:?}\n{boxes:?}", situation.memory);
                let heads = policy.heads(&features);
                assert!(!holds || QValues(&heads).best() == *clean, "a certified action changed");
            }
        }
        certified
    }

    #[test]
    fn fewer_decisions_are_certified_for_larger_budgets() {
        let mut driver = driver(MemorySettings::default());
        let (decisions, certifier) = (decisions(&mut driver), Certifier::new(&driver));
        let counts = [0.0, 0.001, 0.01, 0.1, 1.0].map(|levels: f32| {
            let holds = |(situation, previous, action): &&(Situation, Option<Vec<u8>>, Action)| {
                certifier.certified(situation, previous.as_deref(), *action, levels / 255.0)
            };
            decisions.iter().filter(holds).count()
        });
        assert!(2 * counts[0] > decisions.len() && counts[4] < counts[0], "{counts:?} of {}", decisions.len());
        assert!(counts.is_sorted_by(|more, fewer| more >= fewer), "{counts:?}");
    }
}
