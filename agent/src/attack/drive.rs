//! Drives under attack, many at once: each decision's frame is changed within a budget before the driver sees it.
//!
//! A drive fares the same whatever others are driven beside it: every world and decision has a seed of its own, and a frame has the
//! same bits in any batch.
//!
//! What the attack takes for the truth is a driver who was shown the clean frames ([`Undisturbed`]); what it changes is the decision
//! of the one who has been shown all the attacked ones. A filter that was pushed aside would else be attacked for what it believes
//! already, which takes back what the frames before have won.

use crate::attack::end_to_end::{Decision, DecisionClassifier, EndToEnd};
use crate::attack::goal::{DecisionLoss, Goal};
use crate::attack::method::{Effort, Frames, Method};
use crate::attack::spending::Spending;
use crate::attack::undisturbed::Undisturbed;
use crate::drive::rollout::Rollout;
use crate::driver::LearnedDriver;
use crate::memory::situation::Situation;
use roadproof_perception::attack::{Budget, Effect, Objective, to_bytes, to_numbers};
use roadproof_sim::{Controls, FleetError, Observations, Outcome, Scenario, Score, Seed};
use std::ops::ControlFlow;

/// An attack on drives.
#[derive(Clone, Copy, Debug)]
pub struct DriveAttack {
    /// How.
    pub method: Method,
    /// How much.
    pub budget: Budget,
    /// Steps of a gradient method, tries of the others, for each decision. `AutoAttack` gives Square fifty times as many.
    pub steps: usize,
    /// How often the method is run for each decision, each time from a start of its own; the strongest frame is kept. One that draws
    /// nothing at random is run once.
    pub starts: usize,
    /// How many decisions it looks ahead, as if each frame went on being changed like this: see [`EndToEnd::looking_ahead`].
    pub ahead: usize,
    /// Share of a drive's decisions that are attacked, 0 to 1: see [`Spending`].
    pub share: f32,
    /// What it wants.
    pub goal: Goal,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Whether drives keep the changes of their frames.
    pub keep_changes: bool,
}

/// What became of a drive.
#[derive(Clone, Debug, Default)]
pub struct Drive {
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its score.
    pub score: Score,
    /// What the driver asked for in each decision.
    pub controls: Vec<Controls>,
    /// Decisions taken.
    pub decisions: usize,
    /// Decisions whose frame was changed.
    pub attacked: usize,
    /// Those of them in which the attack reached its goal on the frame as the camera delivers it.
    pub changed: usize,
    /// By how much each value of each decision's frame was changed, in grey levels; nothing where a decision was not attacked.
    /// Empty unless asked for.
    pub changes: Vec<Vec<i16>>,
    /// The greatest offset from the centre of the lane the drive began in.
    pub max_lane_offset_m: f32,
    /// The least time to collision; infinite if there was never one.
    pub min_ttc_s: f32,
}

impl Drive {
    /// Before its first decision.
    pub(super) fn unbegun() -> Self {
        Self { min_ttc_s: f32::INFINITY, ..Self::default() }
    }

    /// One decision further, after which this is seen of its world.
    pub(super) fn went_on(&mut self, controls: Controls, seen: &Observations, world: usize) {
        let measures = &seen.measures[world];
        self.decisions += 1;
        self.controls.push(controls);
        self.max_lane_offset_m = self.max_lane_offset_m.max(measures.start_lane_offset_m.abs());
        self.min_ttc_s = self.min_ttc_s.min(measures.time_to_collision_s);
        self.score = seen.scores[world];
    }

    /// It has ended like this.
    pub(super) fn ended(&mut self, seen: &Observations, world: usize) {
        (self.outcome, self.score) = (seen.verdicts[world].outcome, seen.scores[world]);
    }
}

/// A report of drives that nobody listens to: they go on to their ends.
pub fn to_the_end(_: f32) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Drives a scenario to its end, attacked or not, or until `report` breaks off, which is given the share of the route.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub fn drive(
    driver: &mut LearnedDriver,
    scenario: Scenario,
    attack: Option<&DriveAttack>,
    report: &mut impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Drive, FleetError> {
    let seed = attack.map_or(0, |attack| attack.seed);
    let mut drives = drive_all(driver, vec![scenario], attack, &[seed], report)?;
    Ok(drives.pop().unwrap_or_default())
}

/// Drives many scenarios to their ends, attacked or not, each with the attack seeded by its own seed: some at a time, and where one has
/// ended the next begins, in the order in which they are given. `report` is given the mean share of the routes of all, and may break
/// off.
///
/// # Errors
/// [`FleetError`] if a world cannot be built, or if cameras differ in size.
///
/// # Panics
/// If there is not one seed for each scenario.
pub fn drive_all(
    driver: &mut LearnedDriver,
    scenarios: Vec<Scenario>,
    attack: Option<&DriveAttack>,
    seeds: &[u64],
    report: &mut impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Vec<Drive>, FleetError> {
    assert_eq!(scenarios.len(), seeds.len(), "one seed for each scenario");
    if scenarios.is_empty() {
        return Ok(Vec::new());
    }
    let attacked = attack.map(|attack| (attack, EndToEnd::new(driver).looking_ahead(attack.ahead)));
    let mut together = Together::start(driver, attacked, scenarios, seeds)?;
    while together.step()? && report(together.completion()).is_continue() {}
    Ok(together.drives)
}

/// Drives that go on side by side: the network takes frames in blocks, and a block that is not full costs as much as one that is.
const SIDE_BY_SIDE: usize = EndToEnd::BLOCK_FRAMES;

/// Drives, of which some go on side by side.
struct Together<'a> {
    rollout: Rollout<'a, LearnedDriver>,
    attacker: Option<Attacker<'a>>,
    /// The drive in each world, by its number.
    driven: Vec<usize>,
    /// The drives that have not begun.
    waiting: std::vec::IntoIter<Scenario>,
    drives: Vec<Drive>,
}

/// Who changes the frames.
struct Attacker<'a> {
    attack: &'a DriveAttack,
    end_to_end: EndToEnd,
    /// Of each drive.
    seeds: &'a [u64],
    /// Of each world.
    undisturbed: Undisturbed,
    /// Of each drive.
    spending: Vec<Spending>,
}

impl<'a> Together<'a> {
    fn start(
        driver: &'a mut LearnedDriver,
        attacked: Option<(&'a DriveAttack, EndToEnd)>,
        scenarios: Vec<Scenario>,
        seeds: &'a [u64],
    ) -> Result<Self, FleetError> {
        let (count, worlds) = (scenarios.len(), scenarios.len().min(SIDE_BY_SIDE));
        let drives = vec![Drive::unbegun(); count];
        let attacker = attacked.map(|(attack, end_to_end)| Attacker {
            attack,
            end_to_end,
            seeds,
            undisturbed: Undisturbed::new(driver.spec().memory, worlds),
            spending: vec![Spending::new(attack.share); count],
        });
        let mut waiting = scenarios.into_iter();
        let first = waiting.by_ref().take(worlds).collect();
        let rollout = Rollout::start(first, driver, 1)?;
        let mut together = Self { rollout, attacker, driven: (0..worlds).collect(), waiting, drives };
        together.go_on()?;
        Ok(together)
    }

    /// One decision of all that have begun and not ended; false once all have ended.
    fn step(&mut self) -> Result<bool, FleetError> {
        let running = self.rollout.running();
        if running.is_empty() {
            return Ok(false);
        }
        let (attacker, drives, driven) = (&mut self.attacker, &mut self.drives, &self.driven);
        let controls = self.rollout.step_after(|_, driver, seen| {
            if let Some(attacker) = attacker {
                attacker.perturb(driver, &running, driven, seen, drives);
            }
        });
        for world in running {
            self.drives[self.driven[world]].went_on(controls[world], self.rollout.seen(), world);
        }
        self.go_on()?;
        Ok(true)
    }

    /// Notes how drives ended, and begins others where they did.
    fn go_on(&mut self) -> Result<(), FleetError> {
        loop {
            let mut fresh = Vec::new();
            for world in self.rollout.ended() {
                self.drives[self.driven[world]].ended(self.rollout.seen(), world);
                if let Some(next) = self.waiting.next() {
                    self.driven[world] = self.drives.len() - self.waiting.len() - 1;
                    fresh.push((world, next));
                }
            }
            if fresh.is_empty() {
                return Ok(());
            }
            self.rollout.refill(fresh)?;
        }
    }

    /// The mean share of the routes that has been driven, with those of drives that have ended counted as whole.
    fn completion(&self) -> f32 {
        let share = |drive: &Drive| if drive.outcome.is_some() { 1.0 } else { drive.score.route_completion };
        self.drives.iter().map(share).sum::<f32>() / self.drives.len() as f32
    }
}

impl Attacker<'_> {
    /// Weighs what hangs on each decision, and changes the frames of those that are attacked. What hangs on it is what does where the
    /// car is, not where its driver has been made to believe it.
    fn perturb(
        &mut self,
        driver: &LearnedDriver,
        running: &[usize],
        driven: &[usize],
        seen: &mut Observations,
        drives: &mut [Drive],
    ) {
        let situation = |&world: &usize| Situation::new(driver.memory(world), seen, world);
        let situations: Vec<Situation> = running.iter().map(situation).collect();
        let length = seen.rgb.len() / seen.measures.len();
        let begun: Vec<usize> = running.iter().copied().filter(|&world| drives[driven[world]].decisions == 0).collect();
        let decisions = self.clean(running, &begun, &situations);
        let mut target = AttackedDecisions::empty(&self.end_to_end);
        for ((&world, situation), decision) in running.iter().zip(&situations).zip(&decisions) {
            let drive = driven[world];
            if self.spending[drive].attacks(decision.importance()) {
                target.add(world, situation, decision, self.seeds[drive], drives[drive].decisions as u64);
            }
        }
        let delivered = target.attacked(self.attack);
        let frames = delivered.bytes.chunks_exact(length);
        for ((&world, frame), effect) in target.worlds.iter().zip(frames).zip(&delivered.effects) {
            seen.rgb[world * length..][..length].copy_from_slice(frame);
            let drive = &mut drives[driven[world]];
            drive.attacked += 1;
            drive.changed += usize::from(effect.broken);
        }
        if self.attack.keep_changes {
            for (&world, Situation { frame, .. }) in running.iter().zip(&situations) {
                let levels = seen.frame(world).iter().zip(frame);
                let changes = levels.map(|(new, old)| i16::from(*new) - i16::from(*old));
                let attacked = target.worlds.contains(&world);
                drives[driven[world]].changes.push(if attacked { changes.collect() } else { Vec::new() });
            }
        }
    }
}

impl Attacker<'_> {
    /// What one who has seen the clean frames would do.
    fn clean(&mut self, running: &[usize], begun: &[usize], situations: &[Situation]) -> Vec<Decision> {
        self.undisturbed.begin(begun);
        self.undisturbed.decide(&self.end_to_end, running, situations)
    }
}

/// The decisions that are attacked at one time.
struct AttackedDecisions<'a> {
    end_to_end: &'a EndToEnd,
    worlds: Vec<usize>,
    situations: Vec<&'a Situation>,
    clean: Vec<&'a Decision>,
    seeds: Vec<u64>,
    bytes: Vec<u8>,
}

/// Frames as the camera delivers them, and what each does.
struct Delivered {
    bytes: Vec<u8>,
    effects: Vec<Effect>,
}

impl<'a> AttackedDecisions<'a> {
    fn empty(end_to_end: &'a EndToEnd) -> Self {
        let (worlds, situations, clean) = (Vec::new(), Vec::new(), Vec::new());
        Self { end_to_end, worlds, situations, clean, seeds: Vec::new(), bytes: Vec::new() }
    }

    fn add(&mut self, world: usize, situation: &'a Situation, clean: &'a Decision, seed: u64, number: u64) {
        self.worlds.push(world);
        self.situations.push(situation);
        self.clean.push(clean);
        self.seeds.push(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.bytes.extend_from_slice(&situation.frame);
    }

    /// The strongest frames that the attack finds, as the camera delivers them.
    fn attacked(&self, attack: &DriveAttack) -> Delivered {
        if self.worlds.is_empty() {
            return Delivered { bytes: Vec::new(), effects: Vec::new() };
        }
        let goal = if attack.method.is_untargeted() { Goal::Other } else { attack.goal };
        let loss = DecisionLoss { end_to_end: self.end_to_end, situations: &self.situations, clean: &self.clean, goal };
        let mut strongest = self.delivered(attack, &loss, 0);
        let starts = if attack.method.draws() { attack.starts } else { 1 };
        (1..starts).for_each(|start| strongest.keep_better(&self.delivered(attack, &loss, start)));
        strongest
    }

    /// What one run of the method finds.
    fn delivered(&self, attack: &DriveAttack, loss: &DecisionLoss<'_>, start: usize) -> Delivered {
        let clean = to_numbers(&self.bytes);
        let classifier = DecisionClassifier { end_to_end: self.end_to_end, situations: &self.situations };
        let seeds: Vec<u64> = self.seeds.iter().map(|&seed| seed_of_start(seed, start)).collect();
        let frames = Frames { clean: &clean, size: self.end_to_end.size(), seeds: &seeds };
        let pixels =
            attack.method.run(loss, &classifier, &frames, &Effort { budget: attack.budget, steps: attack.steps });
        // The budget holds for each frame by itself, the L2 one included: rounding is value by value.
        let bytes = to_bytes(&pixels, &self.bytes, &attack.budget);
        let effects = loss.evaluate(&to_numbers(&bytes));
        Delivered { bytes, effects }
    }
}

/// The first start has the decision's own seed: more starts find what one finds, or more.
fn seed_of_start(seed: u64, start: usize) -> u64 {
    if start == 0 { seed } else { Seed(seed).child(start as u64).0 }
}

impl Delivered {
    /// Keeps of each frame the one that is better for the attack.
    fn keep_better(&mut self, other: &Self) {
        let length = self.bytes.len() / self.effects.len().max(1);
        let frames = self.bytes.chunks_exact_mut(length).zip(other.bytes.chunks_exact(length));
        for ((kept, new), (effect, found)) in frames.zip(self.effects.iter_mut().zip(&other.effects)) {
            if found.beats(effect) {
                kept.copy_from_slice(new);
                *effect = *found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::end_to_end::tests::frames;
    use crate::attack::method::{ClassMethod, LossMethod};
    use crate::driver::Drives;
    use roadproof_perception::attack::Norm;

    fn scenario(offset_m: f32, duration_s: f32) -> Scenario {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: {duration_s:?}, road: Straight(length_m: 300.0, lanes: 2), \
             ego: (speed_mps: 9.0, offset_m: {offset_m:?}))"
        );
        roadproof_sim::parse(&text, "t.ron".as_ref()).unwrap().into_scenario()
    }

    fn attack(method: Method, share: f32) -> DriveAttack {
        let budget = Budget::new(Norm::Linf, 2.0 / 255.0).unwrap();
        DriveAttack {
            method,
            budget,
            steps: 4,
            starts: 1,
            ahead: 0,
            share,
            goal: Goal::Worst,
            seed: 5,
            keep_changes: true,
        }
    }

    #[test]
    fn a_drive_fares_the_same_whoever_drives_beside_it() {
        let scenarios: Vec<Scenario> =
            (0..6).map(|index| scenario(0.1 * index as f32, 0.7 + 0.1 * index as f32)).collect();
        let seeds = [1, 2, 3, 4, 5, 6];
        let methods = [Method::Loss(LossMethod::Pgd), Method::Class(ClassMethod::ApgdT)];
        for (driver, method) in [LearnedDriver::hardened(), LearnedDriver::shipped()].into_iter().zip(methods) {
            let (mut driver, attack) = (driver.unwrap(), attack(method, 0.5));
            let all = drive_all(&mut driver, scenarios.clone(), Some(&attack), &seeds, &mut to_the_end).unwrap();
            for place in [0, 4] {
                let alone = drive_all(
                    &mut driver,
                    vec![scenarios[place].clone()],
                    Some(&attack),
                    &[seeds[place]],
                    &mut to_the_end,
                );
                let (alone, beside) = (&alone.unwrap()[0], &all[place]);
                assert_eq!(alone.changes, beside.changes, "{method:?}, drive {place}");
                assert_eq!((&alone.controls, alone.changed), (&beside.controls, beside.changed));
            }
            for drive in &all {
                let changed = drive.changes.iter().filter(|changes| !changes.is_empty()).count();
                assert!(
                    changed == drive.attacked && drive.attacked > 0 && drive.attacked <= drive.decisions.div_ceil(2)
                );
                assert!(drive.changes.iter().flatten().all(|change| change.abs() <= 2));
            }
        }
    }

    #[test]
    fn every_method_drives_within_its_budget() {
        let mut driver = LearnedDriver::shipped().unwrap();
        for method in Method::ALL {
            for (norm, eps) in [(Norm::Linf, 2.0 / 255.0), (Norm::L2, 1.0)] {
                if !method.takes(norm) {
                    continue;
                }
                let budget = Budget::new(norm, eps).unwrap();
                let attack = DriveAttack { budget, steps: 2, ..attack(method, 1.0) };
                let drive = drive(&mut driver, scenario(0.2, 0.3), Some(&attack), &mut to_the_end).unwrap();
                assert_eq!((drive.attacked, drive.changes.len()), (drive.decisions, drive.decisions));
                for changes in &drive.changes {
                    let values: Vec<f32> = changes.iter().map(|change| f32::from(*change) / 255.0).collect();
                    let size = budget.distance(&values, &vec![0.0; values.len()]);
                    assert!(size <= 1.0001 * eps, "{method:?}, {norm:?}: {size}");
                }
            }
        }
    }

    #[test]
    fn an_attack_in_every_decision_drives_worse_than_none() {
        let mut driver = LearnedDriver::shipped().unwrap();
        let pgd = attack(Method::Loss(LossMethod::Pgd), 1.0);
        let attack = DriveAttack { goal: Goal::OffsetLeft, steps: 10, keep_changes: false, ..pgd };
        let clean = drive(&mut driver, scenario(0.0, 6.0), None, &mut to_the_end).unwrap();
        let attacked = drive(&mut driver, scenario(0.0, 6.0), Some(&attack), &mut to_the_end).unwrap();
        assert!(clean.max_lane_offset_m < 0.3 && attacked.max_lane_offset_m > 2.0 * clean.max_lane_offset_m);
        assert!(clean.attacked == 0 && attacked.attacked == attacked.decisions && attacked.changes.is_empty());
    }

    #[test]
    fn what_is_taken_for_the_truth_is_what_one_who_saw_the_clean_frames_would_do() {
        let (mut driver, mut honest) = (LearnedDriver::hardened().unwrap(), LearnedDriver::hardened().unwrap());
        honest.start(&[Seed(1)]);
        let budget = Budget::new(Norm::Linf, 4.0 / 255.0).unwrap();
        let apgd = attack(Method::Loss(LossMethod::Apgd), 1.0);
        let attack = DriveAttack { budget, goal: Goal::DriftLeft, keep_changes: false, ..apgd };
        let end_to_end = EndToEnd::new(&driver);
        let attacked = Some((&attack, end_to_end));
        let mut together = Together::start(&mut driver, attacked, vec![scenario(0.0, 4.0)], &[7]).unwrap();
        for _ in 0..25 {
            // What is shown is the camera's until the attack changes it.
            honest.think(together.rollout.seen());
            together.step().unwrap();
        }
        let thought = honest.think(together.rollout.seen()).remove(0);
        let attacker = together.attacker.as_mut().unwrap();
        let (mut taken, mut misled) = (Vec::new(), Vec::new());
        together.rollout.step_after(|_, driver, seen| {
            let situation = Situation::new(driver.memory(0), seen, 0);
            misled = attacker.end_to_end.decide(&[&situation], &to_numbers(&situation.frame));
            taken = attacker.clean(&[0], &[], &[situation]);
        });
        let apart = |decision: &Decision| {
            let heads = decision.heads.iter().zip(&thought.heads);
            heads.map(|(own, honest)| (own - honest).abs()).fold(0.0, f32::max)
        };
        let (truth, misled) = (apart(&taken[0]), apart(&misled[0]));
        assert!(truth < 1e-4 && misled > 1e-3, "{truth} from the honest driver, the misled one {misled}");
    }

    #[test]
    fn more_starts_find_no_less_and_the_first_is_the_only_one() {
        let driver = LearnedDriver::shipped().unwrap();
        let end_to_end = EndToEnd::new(&driver);
        let (situations, _) = frames(3);
        let of = |rows: &[usize], starts: usize, method: LossMethod| {
            let chosen: Vec<&Situation> = rows.iter().map(|&row| &situations[row]).collect();
            let bytes: Vec<u8> = chosen.iter().flat_map(|situation| &situation.frame).copied().collect();
            let clean = end_to_end.decide(&chosen, &to_numbers(&bytes));
            let mut target = AttackedDecisions::empty(&end_to_end);
            for (&row, decision) in rows.iter().zip(&clean) {
                target.add(row, &situations[row], decision, row as u64, 0);
            }
            let attack = DriveAttack { starts, goal: Goal::SteerLeft, ..attack(Method::Loss(method), 1.0) };
            target.attacked(&attack)
        };
        let rows = [0, 1, 2];
        let losses = |delivered: &Delivered| delivered.effects.iter().map(|effect| effect.loss).collect::<Vec<f32>>();
        let [one, two, five] = [1, 2, 5].map(|starts| of(&rows, starts, LossMethod::Noise));
        for ((one, two), five) in losses(&one).into_iter().zip(losses(&two)).zip(losses(&five)) {
            assert!(one <= two && two <= five, "{one}, {two}, {five}");
        }
        assert!(losses(&one) != losses(&five), "other starts find other frames");
        // Each frame has starts of its own, whatever stands beside it.
        let alone = of(&[2], 5, LossMethod::Noise);
        assert!(alone.bytes == five.bytes[2 * alone.bytes.len()..] && losses(&alone)[0] == losses(&five)[2]);
        let [once, often] = [1, 5].map(|starts| of(&rows, starts, LossMethod::Fgsm));
        assert_eq!(once.bytes, often.bytes, "one that draws nothing");
    }

    /// Before it took a second look, the driver stood from the eleventh second on, with an eighth of the way behind it.
    #[test]
    fn a_car_that_is_not_there_does_not_hold_the_hardened_driver_up_for_good() {
        let text = include_str!("../../../scenarios/lane_keeping/hills.ron");
        let scenario = roadproof_sim::parse(text, "hills.ron".as_ref()).unwrap().into_scenario();
        let scenario = Scenario { duration_s: 25.0, ..scenario };
        let apgd = attack(Method::Loss(LossMethod::Apgd), 1.0);
        let attack = DriveAttack { goal: Goal::Ghost, steps: 10, keep_changes: false, ..apgd };
        let mut driver = LearnedDriver::hardened().unwrap();
        let attacked = drive(&mut driver, scenario, Some(&attack), &mut to_the_end).unwrap();
        let way = attacked.score.route_completion;
        assert!(way > 0.3, "{way} of the way, and then {:?}", attacked.outcome);
    }
}
