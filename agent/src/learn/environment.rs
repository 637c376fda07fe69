//! Where the task meets perception: many drives, seen through the eyes of a driver who learns, and made as hard as a hardening says.
//!
//! The worlds are in two groups. While one is simulated and drawn, perception and policy look at the other, on another thread: the
//! two exchange whole groups through bounded channels. Which group is decided about when does not depend on which of them is ready, so
//! that the same settings give the same bits with and without it, on any number of threads. Stooke and Abbeel 2018 (arXiv:1803.02811,
//! section 3) and Petrenko et al. 2020 ("Sample Factory", arXiv:2006.11751, double-buffered sampling) keep both halves of a machine
//! busy in this way.

use crate::harden::Hardening;
use crate::harden::regulariser::RobustQ;
use crate::learn::drives::Drives;
use crate::learn::task::{Actor, Task};
use crate::memory::MemorySettings;
use crossbeam::channel::{Receiver, Sender, bounded};
use roadproof_env::vector::{UnderWay, VectorEnv};
use roadproof_env::{Action, RewardSettings, Roads};
use roadproof_perception::Perception;
use roadproof_sim::{FleetError, Scenario};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Groups of worlds where there are enough of them: one is simulated while the other is looked at.
const GROUPS: usize = 2;

/// Many drives on training roads, seen through perception.
pub struct Environment {
    groups: Vec<Drives>,
    hardening: Hardening,
    /// Roads driven so far, those under way among them.
    driven: u64,
}

/// Where an environment is: what is decided in each drive since it began leads there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrivesUnderWay {
    /// Roads driven, those under way among them.
    pub driven: u64,
    /// The drives, in the order of their worlds.
    pub drives: Vec<UnderWay>,
}

/// What an environment is made of.
pub struct EnvironmentSettings {
    /// The roads; a hardening adds what makes them hard.
    pub roads: Roads,
    /// What drivers are rewarded for.
    pub reward: RewardSettings,
    /// How frames are put together.
    pub memory: MemorySettings,
    /// Drives at once.
    pub worlds: usize,
    /// Threads that simulate.
    pub threads: usize,
    /// Whether worlds are simulated while others are looked at; no bit depends on it.
    pub overlap: bool,
    /// Scenarios that broke a driver.
    pub found: Vec<Scenario>,
}

impl Environment {
    /// Starts the drives; `driven` roads have been driven before (zero for a fresh run). Without a perception nothing is drawn, and
    /// no adversary has anything to change.
    ///
    /// # Errors
    /// [`FleetError`] if the settings describe drives that cannot be built, or a found one has another camera.
    pub fn new(
        settings: EnvironmentSettings,
        perception: Option<Perception>,
        hardening: Hardening,
        driven: u64,
    ) -> Result<Self, FleetError> {
        let EnvironmentSettings { mut roads, reward, memory, worlds, threads, overlap, found } = settings;
        roads.hard = hardening.roads(found);
        let count = if overlap { GROUPS.min(worlds) } else { 1 };
        let bounds: Vec<usize> = (0..=count).map(|group| group * worlds / count).collect();
        let start = |bounds: &[usize]| {
            let (first, worlds) = (bounds[0], bounds[1] - bounds[0]);
            let env = VectorEnv::new(roads.clone(), reward, worlds, threads, driven + first as u64)?;
            Ok(Drives::new(first, env, perception.as_ref(), memory, &hardening))
        };
        let groups = bounds.windows(2).map(start).collect::<Result<Vec<Drives>, FleetError>>()?;
        Ok(Self { groups, hardening, driven: driven + worlds as u64 })
    }

    /// Lets budgets and severities grow with the training, of which a share of `progress` is done.
    pub fn grow(&mut self, progress: f64) {
        self.hardening.grow(progress);
        let severity = self.hardening.growth();
        self.groups.iter_mut().for_each(|group| group.grow(severity));
    }

    /// The policy's regulariser for the budget as it is now, if the hardening asks for one.
    #[must_use]
    pub fn regulariser(&self) -> Option<RobustQ> {
        let perception = self.groups.first()?.perception()?;
        let worlds = self.groups.iter().map(Drives::worlds).sum();
        let all: Vec<(&Drives, usize)> =
            self.groups.iter().flat_map(|group| (0..group.worlds()).map(move |world| (group, world))).collect();
        let situation = |world: usize| {
            let (group, world) = all[world];
            group.situation(world).expect("who has a perception has eyes")
        };
        self.hardening.regulariser(perception, worlds, situation)
    }

    /// The drives under way, and how many roads were driven: all that makes the environment what it is, but for its settings.
    #[must_use]
    pub fn under_way(&self) -> DrivesUnderWay {
        let drives = self.groups.iter().flat_map(Drives::under_way).cloned().collect();
        DrivesUnderWay { driven: self.driven, drives }
    }

    /// Comes to where another environment of the same settings was, to the bit, by driving again what is under way. `progress` is the share
    /// of the training at which so many decisions before now, 1 for the last one, were made.
    ///
    /// # Errors
    /// [`FleetError`] if a drive cannot be built.
    ///
    /// # Panics
    /// If it has another number of worlds.
    pub fn restore(&mut self, under_way: &DrivesUnderWay, progress: impl Fn(usize) -> f64) -> Result<(), FleetError> {
        let DrivesUnderWay { driven, drives } = under_way;
        assert_eq!(drives.len(), self.groups.iter().map(Drives::worlds).sum::<usize>(), "a drive for each world");
        let longest = drives.iter().map(|drive| drive.actions.len()).max().unwrap_or_default();
        // Until its own drive begins, a world drives whatever it has, and nobody counts it.
        let mut uncounted = *driven;
        for ago in (0..=longest).rev() {
            // A drive begins at the end of the decision before its first.
            self.grow(progress(ago + 1));
            let mut first = 0;
            for group in &mut self.groups {
                let own = &drives[first..first + group.worlds()];
                first += own.len();
                let begins = own.iter().enumerate().filter(|(_, drive)| drive.actions.len() == ago);
                let begins: Vec<_> = begins.map(|(world, drive)| (world, drive.road)).collect();
                if !begins.is_empty() {
                    group.begin(&begins, &self.hardening)?;
                }
            }
            if ago == 0 {
                break;
            }
            self.grow(progress(ago));
            let mut first = 0;
            for group in &mut self.groups {
                let own = &drives[first..first + group.worlds()];
                first += own.len();
                let action = |drive: &UnderWay| {
                    let made = drive.actions.len().checked_sub(ago);
                    made.map_or_else(Action::default, |made| drive.actions[made])
                };
                let actions: Vec<Action> = own.iter().map(action).collect();
                let mut env = group.take();
                env.simulate(&actions);
                group.look(env, &self.hardening, &mut uncounted)?;
            }
        }
        self.driven = *driven;
        Ok(())
    }

    /// Roads driven so far.
    #[must_use]
    pub fn driven(&self) -> u64 {
        self.driven
    }

    /// The drives on this thread alone, one group after the other.
    fn drive_in_turn(&mut self, decisions: usize, actor: &mut dyn Actor) -> Result<(), FleetError> {
        let Self { groups, hardening, driven } = self;
        for _ in 0..decisions {
            for group in groups.iter_mut() {
                let actions = group.show(|group| actor.decide(group));
                let mut env = group.take();
                env.simulate(&actions);
                let experience = group.look(env, hardening, driven)?;
                group.show(|group| actor.learn_of(group, &experience));
            }
        }
        Ok(())
    }

    /// The drives with another thread that simulates: as soon as a group is decided about it goes there, and comes back when it is its turn
    /// again.
    fn drive_overlapped(
        &mut self,
        decisions: usize,
        actor: &mut dyn Actor,
        (orders, simulated): (Sender<Order>, Receiver<VectorEnv>),
    ) -> Result<(), FleetError> {
        let Self { groups, hardening, driven } = self;
        let (mut under_way, count) = (VecDeque::new(), groups.len());
        for turn in 0..(decisions + 1) * count {
            let place = turn % count;
            let group = &mut groups[place];
            if under_way.front() == Some(&place) {
                under_way.pop_front();
                let env = simulated.recv().expect("the simulating thread lives as long as it has worlds");
                let experience = group.look(env, hardening, driven)?;
                group.show(|group| actor.learn_of(group, &experience));
            }
            if turn < decisions * count {
                let actions = group.show(|group| actor.decide(group));
                under_way.push_back(place);
                let order = Order { env: group.take(), actions };
                assert!(orders.send(order).is_ok(), "the simulating thread lives as long as it may get worlds");
            }
        }
        Ok(())
    }
}

/// Worlds that are to be simulated.
struct Order {
    env: VectorEnv,
    actions: Vec<Action>,
}

impl Task for Environment {
    fn drive(&mut self, decisions: usize, actor: &mut dyn Actor) -> Result<(), FleetError> {
        if self.groups.len() < GROUPS {
            return self.drive_in_turn(decisions, actor);
        }
        let (orders, taken) = bounded::<Order>(GROUPS);
        let (done, simulated) = bounded(GROUPS);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for Order { mut env, actions } in taken {
                    env.simulate(&actions);
                    if done.send(env).is_err() {
                        // Whoever waited has ended with an error.
                        break;
                    }
                }
            });
            self.drive_overlapped(decisions, actor, (orders, simulated))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Eyes, LearnedDriver};
    use crate::harden::HardenSettings;
    use crate::learn::task::{Experience, Group};
    use crate::memory::FEATURES;
    use roadproof_env::action::{ACCELERATION_MPS2, STEER_RAD};
    use roadproof_env::vector::Replaced;
    use roadproof_sim::{DriveStyle, Fleet, Observations, Outcome};

    const WORLDS: usize = 3;
    /// Straight on, a little faster.
    const ON: Action = Action { steer: 5, acceleration: 3 };
    const _: () = assert!(STEER_RAD[ON.steer] == 0.0 && ACCELERATION_MPS2[ON.acceleration] > 0.0);

    fn scenario(text: &str) -> Scenario {
        let text = format!("Scenario(format: 1, title: \"t\", road: Straight(length_m: 300.0), {text})");
        roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()
    }

    /// An environment on these roads.
    fn on_roads(found: Vec<Scenario>, harden: HardenSettings, overlap: bool) -> Environment {
        let perception = LearnedDriver::shipped().expect("it is built in").perception().clone();
        let settings = EnvironmentSettings {
            roads: Roads::new(1, DriveStyle::default()),
            reward: RewardSettings::default(),
            memory: MemorySettings::default(),
            worlds: WORLDS,
            threads: 1,
            overlap,
            found,
        };
        Environment::new(settings, Some(perception), Hardening::new(Some(harden)), 0).expect("worlds")
    }

    /// An environment that drives one scenario and nothing else.
    fn environment(found: Scenario, overlap: bool) -> Environment {
        let harden =
            HardenSettings { found_drives: 1.0, fault_drives: 0.0, attack_drives: 0.0, ..HardenSettings::default() };
        on_roads(vec![found], harden, overlap)
    }

    /// Decides by a rule and keeps what it is told: what each decision of all worlds led to, and the policy inputs afterwards.
    struct Recorder {
        rule: fn(&[f32]) -> Action,
        told: Vec<(Experience, Vec<f32>)>,
    }

    impl Recorder {
        fn new(rule: fn(&[f32]) -> Action) -> Self {
            Self { rule, told: Vec::new() }
        }
    }

    impl Actor for Recorder {
        fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
            group.features.chunks_exact(FEATURES).map(self.rule).collect()
        }

        fn learn_of(&mut self, group: &Group<'_>, experience: &Experience) {
            let first = group.worlds.start;
            if first == 0 {
                self.told.push((Experience::default(), Vec::new()));
            }
            let (all, features) = self.told.last_mut().expect("the first group is told of first");
            assert_eq!(all.reward.len(), first, "groups are told of in their order");
            all.reward.extend_from_slice(&experience.reward);
            all.terminated.extend_from_slice(&experience.terminated);
            all.truncated.extend(experience.truncated.iter().map(|(world, last)| (first + world, last.clone())));
            all.ended.extend(experience.ended.iter().map(|ended| Replaced { world: first + ended.world, ..*ended }));
            features.extend_from_slice(group.features);
        }
    }
    /// The policy's input at each decision of a scenario, the first included.
    fn looks(scenario: &Scenario, decisions: usize) -> Vec<Vec<f32>> {
        let perception = LearnedDriver::shipped().expect("it is built in").perception().clone();
        let mut fleet = Fleet::new(vec![scenario.clone()], 1).expect("a world");
        let mut seen = fleet.observe();
        let mut eyes = Eyes::new(perception, MemorySettings::default(), 1);
        let mut look = |seen: &Observations| {
            let mut features = vec![0.0; FEATURES];
            eyes.look(seen, &mut features);
            features
        };
        let mut looks = vec![look(&seen)];
        for _ in 0..decisions {
            fleet.step(&[ON.controls(&seen.vehicles[0], &seen.sensed[0].ego)], &mut seen);
            looks.push(look(&seen));
        }
        looks
    }

    #[test]
    fn a_truncated_drive_is_bootstrapped_from_its_last_observation_and_replaced_in_the_same_step() {
        let found = scenario("duration_s: 0.5, ego: (speed_mps: 9.0)");
        let looks = looks(&found, 5);
        for overlap in [false, true] {
            let (mut environment, mut recorder) = (environment(found.clone(), overlap), Recorder::new(|_| ON));
            environment.drive(5, &mut recorder).expect("worlds");
            for (decision, (experience, features)) in recorder.told[..4].iter().enumerate() {
                assert!(experience.truncated.is_empty() && experience.ended.is_empty(), "decision {decision}");
                assert!(features.chunks_exact(FEATURES).all(|row| row == looks[decision + 1]), "{decision}");
            }
            let (last, features) = &recorder.told[4];
            assert_eq!(last.terminated, [false; WORLDS]);
            let ended: Vec<_> = last.ended.iter().map(|ended| (ended.world, ended.outcome, ended.next_road)).collect();
            assert_eq!(ended, [0, 1, 2].map(|world| (world, Outcome::TimeUp, 3 + world as u64)));
            let truncated: Vec<(usize, Vec<f32>)> = (0..WORLDS).map(|world| (world, looks[5].clone())).collect();
            assert!(last.truncated == truncated, "the last look at the drive that was cut off");
            assert!(features.chunks_exact(FEATURES).all(|row| row == looks[0]), "the first look at the next");
            assert_eq!(environment.driven(), 2 * WORLDS as u64);
        }
    }

    #[test]
    fn a_drive_that_ended_by_itself_has_nothing_to_bootstrap_from() {
        let found = scenario("duration_s: 9.0, ego: (speed_mps: 12.0, heading_deg: -45.0)");
        let first = looks(&found, 0).remove(0);
        let (mut environment, mut recorder) = (environment(found, true), Recorder::new(|_| ON));
        environment.drive(30, &mut recorder).expect("worlds");
        let end =
            recorder.told.iter().position(|(experience, _)| !experience.ended.is_empty()).expect("it leaves the road");
        let (experience, features) = &recorder.told[end];
        assert!(end > 0 && experience.truncated.is_empty());
        assert_eq!(experience.terminated, [true; WORLDS]);
        assert!(experience.reward.iter().all(|reward| *reward < -0.5 * RewardSettings::default().failure));
        assert!(features.chunks_exact(FEATURES).all(|row| row == first));
    }

    /// Faults, an adversary and filters: an environment that drives again what was under way goes on as the one that was left.
    #[test]
    fn what_was_under_way_is_driven_again_to_the_bit() {
        let rule = |features: &[f32]| {
            let bits = features.iter().fold(7_u32, |sum, feature| sum.rotate_left(5) ^ feature.to_bits());
            Action { steer: 3 + (bits % 5) as usize, acceleration: 2 + (bits / 5 % 3) as usize }
        };
        let harden = HardenSettings { attack_drives: 0.5, fault_drives: 0.5, ramp: 0.9, ..HardenSettings::default() };
        let start = || on_roads(Vec::new(), harden, true);
        const PER_UPDATE: usize = 7;
        let progress = |update: usize| update as f64 / 40.0;
        let drive = |environment: &mut Environment, updates: std::ops::Range<usize>| {
            let mut recorder = Recorder::new(rule);
            for update in updates {
                environment.grow(progress(update));
                environment.drive(PER_UPDATE, &mut recorder).expect("worlds");
            }
            recorder.told
        };
        let mut first = start();
        drive(&mut first, 0..23);
        let left = first.under_way();
        assert!(
            left.driven > WORLDS as u64 && left.drives.iter().any(|drive| drive.actions.len() > PER_UPDATE),
            "{left:?}"
        );
        let mut second = start();
        let made = 23 * PER_UPDATE;
        second.restore(&left, |ago| made.checked_sub(ago).map_or(0.0, |at| progress(at / PER_UPDATE))).expect("worlds");
        assert_eq!(second.under_way(), left);
        let bits = |told: Vec<(Experience, Vec<f32>)>| -> Vec<u32> {
            told.iter()
                .flat_map(|(all, features)| all.reward.iter().chain(features))
                .map(|value| value.to_bits())
                .collect()
        };
        let (first, second) = (bits(drive(&mut first, 23..40)), bits(drive(&mut second, 23..40)));
        assert!(first == second, "it goes on in another way");
    }

    /// Faults, an adversary, drives that end at different times, and choices that hang on what is seen: no bit tells whether worlds were
    /// simulated while others were looked at.
    #[test]
    fn what_is_simulated_meanwhile_changes_no_bit() {
        let rule = |features: &[f32]| {
            let bits = features.iter().fold(7_u32, |sum, feature| sum.rotate_left(5) ^ feature.to_bits());
            Action { steer: 3 + (bits % 5) as usize, acceleration: 2 + (bits / 5 % 3) as usize }
        };
        let drive = |overlap: bool| {
            let harden =
                HardenSettings { attack_drives: 0.5, fault_drives: 0.5, ramp: 0.0, ..HardenSettings::default() };
            let (mut environment, mut recorder) = (on_roads(Vec::new(), harden, overlap), Recorder::new(rule));
            for (progress, decisions) in [(0.1, 1), (0.6, 40), (1.0, 80)] {
                environment.grow(progress);
                environment.drive(decisions, &mut recorder).expect("worlds");
            }
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
            let told = recorder.told.iter().map(|(all, features)| {
                let ended: Vec<_> = all.ended.iter().map(|end| (end.world, end.next_road, end.decisions)).collect();
                (bits(&all.reward), bits(features), ended, all.terminated.clone())
            });
            (told.collect::<Vec<_>>(), environment.driven())
        };
        let (apart, together) = (drive(false), drive(true));
        assert!(apart.1 > WORLDS as u64, "some drives ended");
        for (decision, (apart, together)) in apart.0.iter().zip(&together.0).enumerate() {
            assert!(apart == together, "decision {decision}");
        }
        assert_eq!((apart.0.len(), apart.1), (together.0.len(), together.1));
    }
}
