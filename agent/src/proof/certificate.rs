//! Certificates of decisions: that no frame within an L∞ distance of the one the camera took changes the action. From the bounds
//! of the percept, through the memory, to those of the policy.
//!
//! A certificate is about one decision, with the memory as it is before the frame. Whether a whole drive holds is another
//! question: an attack that changes no action still changes what is remembered. It is a proof about the networks as real functions
//! and about memory and trackers in f32; what the networks lose in f32 is covered by margins, see `bounds`.
//!
//! Interval bounds are loose for networks that were not trained for them: how little they prove stands in
//! `assets/results/certificates.md`. At an eps of zero only the margins for rounding are left, in which the nearest
//! choices cannot be told apart. A larger share asks for a perception and a policy that are trained for narrow bounds.
//!
//! # Source
//! The share of certified decisions, ACR, and greedy worst-case rollouts, GWC: Oikarinen et al. 2021 (RADIAL), arXiv:2008.01976;
//! certified actions: Zhang et al. 2020 (SA-MDP), arXiv:2003.08938.

use crate::driver::{Drives, LearnedDriver};
use crate::memory::{FEATURES, FeatureBounds, Memory, Odometry};
use crate::policy::QValues;
use crate::proof::policy::{BoundedPolicy, Possible};
use roadproof_env::action::Action;
use roadproof_perception::attack::to_numbers;
use roadproof_perception::proof::network::{BoundedPerception, percept_bounds};
use roadproof_sim::{Episode, FleetError, Scenario};

/// A decision to be certified: one world's driver before it looks, and the frame it is about to see.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What it remembers.
    pub memory: &'a Memory,
    /// What the car knows of itself.
    pub odometry: Odometry,
    /// Length of a decision.
    pub decision_s: f32,
    /// The frame, `height × width × 3` bytes.
    pub frame: &'a [u8],
    /// The frame before it, as the driver saw it, if the caller knows. A driver that refuses stale frames could be shown it
    /// again; only if it is known to be further away than the budget is that left out. Digests are taken not to collide.
    pub previous: Option<&'a [u8]>,
}

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
    #[must_use]
    pub fn features(&self, situation: &Situation<'_>, eps: f32) -> Vec<FeatureBounds> {
        let Situation { memory, odometry, decision_s, frame, previous } = *situation;
        let outputs = self.perception.outputs(&to_numbers(frame), eps)[0];
        let reachable = |other: &[u8]| {
            // Half a grey level more than the budget: which bytes a frame rounds to is not our business.
            other.iter().zip(frame).all(|(a, b)| f32::from(a.abs_diff(*b)) <= 255.0 * eps + 0.5)
        };
        memory.bounds(&percept_bounds(&outputs), odometry, decision_s, previous.is_none_or(reachable))
    }

    /// Whether a driver takes this action for every frame within `eps`.
    #[must_use]
    pub fn certified(&self, situation: &Situation<'_>, action: Action, eps: f32) -> bool {
        let cases = self.features(situation, eps);
        // A box for no case would be a certificate of nothing.
        !cases.is_empty() && cases.iter().all(|features| self.policy.certifies(features, action))
    }

    /// Which choices some frame within `eps` may lead to; what is not among them is proved impossible.
    #[must_use]
    pub fn possible(&self, situation: &Situation<'_>, eps: f32) -> Possible {
        let cases = self.features(situation, eps).into_iter().map(|features| self.policy.possible(&features));
        cases.reduce(|one, other| one.or(&other)).unwrap_or(Possible { steer: Vec::new(), acceleration: Vec::new() })
    }
}

/// How many decisions of clean drives are certified for a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certified {
    /// The budget, 0 to 1.
    pub eps: f32,
    /// Decisions taken.
    pub decisions: usize,
    /// Those that are certified.
    pub certified: usize,
}

impl Certified {
    /// Share of decisions that are certified: the ACR.
    #[must_use]
    pub fn rate(&self) -> f32 {
        self.certified as f32 / self.decisions.max(1) as f32
    }
}

/// Drives scenarios to their ends without an attack and counts the decisions that are certified for each budget.
///
/// # Errors
/// [`FleetError`] if a world cannot be built.
pub fn certified_decisions(
    driver: &mut LearnedDriver,
    scenarios: impl IntoIterator<Item = Scenario>,
    eps: &[f32],
) -> Result<Vec<Certified>, FleetError> {
    let mut found: Vec<Certified> = eps.iter().map(|&eps| Certified { eps, ..Certified::default() }).collect();
    for scenario in scenarios {
        walk(driver, scenario, |certifier, situation, _, clean| {
            for found in &mut found {
                found.decisions += 1;
                found.certified += usize::from(certifier.certified(situation, clean, found.eps));
            }
            clean
        })?;
    }
    Ok(found)
}

/// Drives a scenario to its end, taking in each decision the action that the clean frame rates lowest of those that are not
/// proved impossible within `eps`. The memory goes on with clean frames, because no attack is carried out that would give others:
/// so the drive shows what the worst actions lead to, not what the worst frames do to later ones.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub fn greedy_worst_case(driver: &mut LearnedDriver, scenario: Scenario, eps: f32) -> Result<Episode, FleetError> {
    walk(driver, scenario, |certifier, situation, heads, _| certifier.possible(situation, eps).worst(heads))
}

/// Drives a scenario with the actions that `decide` makes of each situation, the clean frame's heads and its action.
fn walk(
    driver: &mut LearnedDriver,
    scenario: Scenario,
    mut decide: impl FnMut(&Certifier, &Situation<'_>, &[f32], Action) -> Action,
) -> Result<Episode, FleetError> {
    let decision_s = 1.0 / scenario.decision_hz;
    let certifier = Certifier::new(driver);
    driver.start(&[scenario.seed]);
    let mut episode = Episode::new(scenario)?;
    let mut previous: Option<Vec<u8>> = None;
    while episode.verdict().outcome.is_none() {
        let seen = episode.seen();
        let situation = Situation {
            memory: driver.memory(0),
            odometry: Odometry::from(&seen.sensed[0]),
            decision_s,
            frame: &seen.rgb,
            previous: previous.as_deref(),
        };
        let mut features = [0.0; FEATURES];
        let percept = driver.perception().see(&seen.rgb)[0];
        situation.memory.clone().look(&seen.rgb, &percept, situation.odometry, decision_s, &mut features);
        let heads = driver.policy().heads(&features);
        let action = decide(&certifier, &situation, &heads, QValues(&heads).best());
        previous = Some(seen.rgb.clone());
        driver.act(seen);
        let controls = action.controls(&seen.vehicles[0], &seen.sensed[0].ego);
        episode.step(controls);
    }
    Ok(episode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::end_to_end::{self, EndToEnd};
    use crate::attack::goal::{DecisionLoss, Goal};
    use crate::memory::MemorySettings;
    use crate::policy::OUTPUTS as HEADS;
    use burn::module::Param;
    use burn::prelude::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use roadproof_perception::attack::{Budget, Differentiable, Norm, PgdSettings, pgd};
    use roadproof_perception::proof::interval::Interval;
    use roadproof_perception::{OUTPUTS, Percept, percept};

    /// A drive behind a slower car, in which the car ahead comes into view.
    const SCENARIO: &str = "Scenario(format: 1, title: \"t\", duration_s: 6.0, road: Straight(length_m: 300.0), \
        ego: (speed_mps: 11.0, offset_m: 0.3), actors: [(name: \"lead\", start: (lane: 0, s_m: 40.0, speed_mps: 6.0))])";

    fn scenario() -> Scenario {
        roadproof_sim::parse(SCENARIO, "t.ron".as_ref()).expect("a scenario")
    }

    fn driver(memory: MemorySettings) -> LearnedDriver {
        let shipped = LearnedDriver::shipped().expect("the shipped weights are whole");
        let mut settings = shipped.settings().clone();
        settings.memory = memory;
        LearnedDriver::new(shipped.perception().clone(), shipped.policy().clone(), settings)
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
        let bias = Tensor::from_data(TensorData::new(preferred, [HEADS]), &Device::flex());
        policy.heads.bias = Some(Param::from_tensor(bias));
        LearnedDriver::new(driver.perception().clone(), policy, driver.settings().clone())
    }

    #[test]
    fn no_frame_of_the_box_changes_a_certified_action_or_leaves_the_boxes() {
        for (eps, calm, certain) in [(1.0, true, false), (0.003, true, true), (0.02, false, false)] {
            let certified: usize = MEMORIES.into_iter().map(|memory| check_drive(memory, eps / 255.0, calm)).sum();
            assert!(certified > 3 || !certain, "eps {eps} / 255: {certified} certified");
        }
    }

    /// Frames of a drive, with random frames and attacks of each within a budget; returns how many were certified.
    fn check_drive(memory: MemorySettings, eps: f32, calmed: bool) -> usize {
        let budget = Budget::new(Norm::Linf, eps).unwrap();
        let mut random = Pcg64Mcg::seed_from_u64(5);
        let mut driver = if calmed { calm(memory) } else { driver(memory) };
        let network = Differentiable::new(driver.perception());
        let (end_to_end, policy) = (EndToEnd::new(&driver), driver.policy().clone());
        let (mut decisions, mut certified) = (0, 0);
        walk(&mut driver, scenario(), |certifier, situation, _, clean| {
            decisions += 1;
            if decisions % 6 != 1 {
                return clean;
            }
            let numbers = to_numbers(situation.frame);
            let boxes = certifier.features(situation, eps);
            let holds = certifier.certified(situation, clean, eps);
            certified += usize::from(holds);
            let mut frames: Vec<f32> = Vec::new();
            for _ in 0..40 {
                frames.extend(budget.random_start(&numbers, &mut random));
            }
            for goal in [Goal::Other, Goal::Worst] {
                let Situation { memory, odometry, decision_s, .. } = *situation;
                let attacked = end_to_end::Situation { memory: memory.clone(), odometry, decision_s };
                let decision = end_to_end.decide(&[&attacked], &numbers).swap_remove(0);
                let (situations, clean) = (&[&attacked][..], &[&decision][..]);
                let loss = DecisionLoss { end_to_end: &end_to_end, situations, clean, goal };
                frames.extend(pgd(&loss, &numbers, &budget, &PgdSettings::default(), &[3]).pixels);
            }
            for outputs in network.outputs(&frames).chunks_exact(OUTPUTS) {
                let mut features = [0.0; FEATURES];
                let mut memory = situation.memory.clone();
                memory.observe(&percept(outputs), situation.odometry, situation.decision_s, &mut features);
                assert!(inside(&boxes, &features), "{memory:?}: {features:?}\n{boxes:?}");
                let heads = policy.heads(&features);
                assert!(!holds || QValues(&heads).best() == clean, "a certified action changed");
            }
            clean
        })
        .unwrap();
        assert!(decisions > 30);
        certified
    }

    #[test]
    fn fewer_decisions_are_certified_for_larger_budgets_and_a_worst_case_drive_is_no_better() {
        let mut driver = driver(MemorySettings::default());
        let eps: Vec<f32> = [0.0, 0.001, 0.01, 0.1, 1.0].into_iter().map(|levels| levels / 255.0).collect();
        let found = certified_decisions(&mut driver, [scenario()], &eps).unwrap();
        assert!(found[0].rate() > 0.5 && found[4].rate() < found[0].rate(), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[1].certified <= pair[0].certified), "{found:?}");
        let clean = greedy_worst_case(&mut driver, scenario(), 0.0).unwrap();
        let worst = greedy_worst_case(&mut driver, scenario(), 8.0 / 255.0).unwrap();
        assert!(worst.score().driving_score < clean.score().driving_score);
    }
}
