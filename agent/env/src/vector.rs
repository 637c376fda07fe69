//! Many drives as one vectorised environment: worlds, actions, rewards, and drives that are replaced as they end.
//!
//! Autoreset is same-step (Gymnasium's `SAME_STEP`): a drive that ends is replaced at once. Its last observation is shown to whoever
//! steps before it is gone, because the value of a truncated drive is bootstrapped from it; a terminated one has no next.
//!
//! A drive is truncated where its time is up and where it arrives, terminated where it fails. Arriving is no end that a driver could
//! see coming: nothing that he senses tells how far the road still goes. Were its value nought, every decision would carry a chance
//! of losing what is ahead that grows with the speed, and so a pull towards driving slower.
//!
//! # Source
//! Pardo et al. 2018, "Time Limits in Reinforcement Learning", arXiv:1712.00378: ends that are no part of what is observed are
//! bootstrapped through.

use crate::action::Action;
use crate::reward::{RewardSettings, Terms, sum};
use crate::roads::Roads;
use roadproof_sim::{Fleet, FleetError, Measures, Observations, Outcome, Scenario, Score};
use serde::{Deserialize, Serialize};

/// Many drives on training roads.
///
/// # Example
/// ```
/// use roadproof_env::{Action, RewardSettings, Roads, VectorEnv};
/// use roadproof_sim::DriveStyle;
///
/// let roads = Roads::new(7, DriveStyle { length_m: 120.0, ..DriveStyle::default() });
/// let mut env = VectorEnv::new(roads, RewardSettings::default(), 2, 1, 0)?;
/// let straight_on = Action { steer: 5, acceleration: 2 };
/// let transition = env.step(&[straight_on; 2], |_| {})?;
/// assert_eq!(transition.reward.len(), 2);
/// assert_eq!(env.seen().frame(1).len(), 160 * 48 * 3);
/// # Ok::<(), roadproof_sim::FleetError>(())
/// ```
pub struct VectorEnv {
    fleet: Fleet,
    seen: Observations,
    /// What was measured before the last decision.
    before: Vec<Measures>,
    roads: Roads,
    reward: RewardSettings,
    driven: u64,
    /// What each drive under way has been rewarded with so far.
    returns: Vec<f32>,
    under_way: Vec<UnderWay>,
}

/// A drive under way: its road, and what was decided on it so far, which is all that makes it what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Number of the road.
    pub road: u64,
    /// The actions since its beginning.
    pub actions: Vec<Action>,
}

/// What one decision of all worlds led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    /// Reward of each world.
    pub reward: Vec<f32>,
    /// What the rewards are the sums of, in the mean over worlds, by the names of their weights.
    pub terms: Vec<(&'static str, f32)>,
    /// Mean speed over worlds.
    pub speed_mps: f32,
    /// Drives that failed, for each world: there is nothing after them.
    pub terminated: Vec<bool>,
    /// The drives that ended, in the order of their worlds.
    pub ended: Vec<Replaced>,
}

/// A drive that ended, and what came in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replaced {
    /// Its world.
    pub world: usize,
    /// How.
    pub outcome: Outcome,
    /// What it was worth.
    pub score: Score,
    /// The sum of its rewards.
    pub episode_return: f32,
    /// Decisions that it took.
    pub decisions: u32,
    /// Whether it arrived or its time was up: the value of its last observation is then to be bootstrapped from.
    pub truncated: bool,
    /// Number of the road on which the next drive has begun.
    pub next_road: u64,
}

impl VectorEnv {
    /// Starts so many drives, on the roads after the first `driven`.
    ///
    /// # Errors
    /// [`FleetError`] if a drive cannot be built.
    pub fn new(
        roads: Roads,
        reward: RewardSettings,
        worlds: usize,
        threads: usize,
        driven: u64,
    ) -> Result<Self, FleetError> {
        let next = driven + worlds as u64;
        let scenarios: Vec<Scenario> = (driven..next).map(|road| roads.drive(road)).collect();
        let under_way = (driven..next).map(|road| UnderWay { road, actions: Vec::new() }).collect();
        let mut fleet = Fleet::new(scenarios, threads)?;
        let seen = fleet.observe();
        Ok(Self {
            fleet,
            before: seen.measures.clone(),
            seen,
            roads,
            reward,
            driven: next,
            returns: vec![0.0; worlds],
            under_way,
        })
    }

    /// Whether frames are drawn from now on; drivers who do not look learn faster without.
    pub fn set_camera(&mut self, on: bool) {
        self.fleet.set_camera(on);
    }

    /// What is shown of every world now.
    #[must_use]
    pub fn seen(&self) -> &Observations {
        &self.seen
    }

    /// The roads; what is changed about them counts from the next drive on.
    pub fn roads_mut(&mut self) -> &mut Roads {
        &mut self.roads
    }

    /// The roads.
    #[must_use]
    pub fn roads(&self) -> &Roads {
        &self.roads
    }

    /// The frames of all worlds, for whoever changes what is seen.
    pub fn frames_mut(&mut self) -> &mut [u8] {
        &mut self.seen.rgb
    }

    /// Says how many roads were driven, where others have worlds on the same roads: drives that end are followed by the roads after these.
    pub fn set_driven(&mut self, driven: u64) {
        self.driven = driven;
    }

    /// Roads driven so far, those under way among them.
    #[must_use]
    pub fn driven(&self) -> u64 {
        self.driven
    }

    /// One decision of every world. `look` is shown what it led to while drives that have ended are still there, and may change the
    /// frames.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    ///
    /// # Panics
    /// If there is not one action for each world.
    pub fn step(&mut self, actions: &[Action], look: impl FnOnce(&mut Observations)) -> Result<Transition, FleetError> {
        self.simulate(actions);
        look(&mut self.seen);
        self.settle()
    }

    /// The first half of [`Self::step`]: what the actions lead to. Drives that have ended are still there; [`Self::settle`] replaces them,
    /// and comes before the next decision.
    ///
    /// # Panics
    /// If there is not one action for each world.
    pub fn simulate(&mut self, actions: &[Action]) {
        assert_eq!(actions.len(), self.seen.measures.len(), "one action for each world");
        self.before.clone_from(&self.seen.measures);
        let driving = self.seen.sensed.iter().zip(&self.seen.vehicles).zip(actions);
        let controls: Vec<_> =
            driving.map(|((sensed, vehicle), action)| action.controls(vehicle, &sensed.ego)).collect();
        self.fleet.step(&controls, &mut self.seen);
        self.under_way.iter_mut().zip(actions).for_each(|(drive, action)| drive.actions.push(*action));
    }

    /// The drives under way, in the order of their worlds.
    #[must_use]
    pub fn under_way(&self) -> &[UnderWay] {
        &self.under_way
    }

    /// Begins a drive on a road in each of these worlds, whatever went on there.
    ///
    /// # Errors
    /// [`FleetError`] if a drive cannot be built.
    pub fn begin(&mut self, roads: &[(usize, u64)]) -> Result<(), FleetError> {
        let fresh: Vec<_> = roads.iter().map(|&(world, road)| (world, self.roads.drive(road))).collect();
        self.fleet.restart(fresh, &mut self.seen)?;
        for &(world, road) in roads {
            self.returns[world] = 0.0;
            self.under_way[world] = UnderWay { road, actions: Vec::new() };
        }
        Ok(())
    }

    /// The second half of [`Self::step`]: what it was worth. Drives that have ended are replaced.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    pub fn settle(&mut self) -> Result<Transition, FleetError> {
        let worlds = self.before.len();
        let mut transition = Transition::default();
        for (world, before) in self.before.iter().enumerate() {
            let (after, verdict) = (&self.seen.measures[world], &self.seen.verdicts[world]);
            let terms = self.reward.terms(before, after, verdict);
            let reward = sum(&terms);
            transition.reward.push(reward);
            transition.note(&terms, after.ego.speed_mps, worlds);
            self.returns[world] += reward;
            let truncated = verdict.outcome.is_some_and(is_cut_off);
            transition.terminated.push(verdict.outcome.is_some() && !truncated);
            if let Some(outcome) = verdict.outcome {
                let (score, decisions) = (self.seen.scores[world], after.step);
                let episode_return = std::mem::take(&mut self.returns[world]);
                let next_road = self.driven;
                let ended = Replaced { world, outcome, score, episode_return, decisions, truncated, next_road };
                transition.ended.push(ended);
                self.driven += 1;
            }
        }
        if !transition.ended.is_empty() {
            let next: Vec<_> = transition.ended.iter().map(|ended| (ended.world, ended.next_road)).collect();
            self.begin(&next)?;
        }
        Ok(transition)
    }
}

impl Transition {
    /// Takes in one of so many worlds.
    fn note(&mut self, terms: &Terms, speed_mps: f32, worlds: usize) {
        let share = 1.0 / worlds as f32;
        self.speed_mps += share * speed_mps;
        if self.terms.is_empty() {
            self.terms = terms.map(|(name, _)| (name, 0.0)).to_vec();
        }
        self.terms.iter_mut().zip(terms).for_each(|((_, mean), (_, term))| *mean += share * term);
    }
}

/// Whether driving could have gone on from where a drive ended.
fn is_cut_off(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Arrived | Outcome::TimeUp => true,
        Outcome::Collision | Outcome::OffRoad | Outcome::WrongWay | Outcome::Blocked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{ACCELERATION_MPS2, STEER_RAD};
    use crate::roads::HardRoads;
    use roadproof_sim::DriveStyle;

    const WORLDS: usize = 3;
    /// Straight on, a little faster.
    const ON: Action = Action { steer: 5, acceleration: 3 };
    const _: () = assert!(STEER_RAD[ON.steer] == 0.0 && ACCELERATION_MPS2[ON.acceleration] > 0.0);

    /// Worlds that drive one scenario again and again.
    fn env(text: &str) -> VectorEnv {
        let text = format!("Scenario(format: 1, title: \"t\", road: Straight(length_m: 300.0), {text})");
        let found = vec![roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()];
        let hard = HardRoads { found, found_share: 1.0, ..HardRoads::default() };
        let roads = Roads { hard: Some(hard), ..Roads::new(1, DriveStyle::default()) };
        VectorEnv::new(roads, RewardSettings::default(), WORLDS, 1, 0).expect("worlds")
    }

    /// The first transition in which drives end.
    fn until_an_end(env: &mut VectorEnv) -> Transition {
        loop {
            let transition = env.step(&[ON; WORLDS], |_| {}).expect("worlds");
            if !transition.ended.is_empty() {
                return transition;
            }
        }
    }

    #[test]
    fn a_truncated_drive_is_shown_to_its_end_and_replaced_in_the_same_step() {
        let mut env = env("duration_s: 0.5, ego: (speed_mps: 9.0)");
        let first = env.seen().rgb.clone();
        for _ in 1..5 {
            assert!(env.step(&[ON; WORLDS], |_| {}).expect("worlds").ended.is_empty());
        }
        let mut last = None;
        let transition = env.step(&[ON; WORLDS], |seen| last = Some(seen.clone())).expect("worlds");
        let last = last.expect("it was shown");
        assert!(last.measures.iter().all(|measures| measures.step == 5) && last.rgb != first);
        assert_eq!(transition.terminated, [false; WORLDS]);
        let ended: Vec<_> = transition.ended.iter().map(|end| (end.world, end.outcome, end.truncated)).collect();
        assert_eq!(ended, [0, 1, 2].map(|world| (world, Outcome::TimeUp, true)));
        assert!(env.seen().rgb == first && env.seen().measures.iter().all(|measures| measures.step == 0));
        assert_eq!(env.driven(), 2 * WORLDS as u64);
        assert_eq!(transition.ended[2].next_road, 5);
    }

    #[test]
    fn a_drive_that_arrives_is_truncated() {
        let mut env = env("duration_s: 9.0, ego: (s_m: 285.0, speed_mps: 12.0)");
        let transition = until_an_end(&mut env);
        assert!(transition.ended.iter().all(|end| end.outcome == Outcome::Arrived && end.truncated), "{transition:?}");
        assert_eq!(transition.terminated, [false; WORLDS]);
    }

    #[test]
    fn a_drive_that_fails_is_terminated_and_not_truncated() {
        let mut env = env("duration_s: 9.0, ego: (speed_mps: 12.0, heading_deg: -45.0)");
        let transition = until_an_end(&mut env);
        assert_eq!(transition.terminated, [true; WORLDS]);
        assert!(transition.ended.iter().all(|ended| !ended.truncated));
        let failure = RewardSettings::default().failure.abs();
        assert!(transition.reward.iter().all(|reward| *reward < -0.5 * failure), "{:?}", transition.reward);
    }
}
