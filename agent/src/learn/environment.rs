//! Where the task meets perception: many drives, seen through the eyes of a driver who learns, and made as hard as a hardening says.

use crate::driver::{Eyes, Odometer};
use crate::harden::regulariser::RobustQ;
use crate::harden::{Adversary, Hardening};
use crate::memory::situation::Situation;
use crate::memory::{FEATURES, MemorySettings};
use roadproof_env::vector::{Replaced, Transition, VectorEnv};
use roadproof_env::{Action, RewardSettings, Roads, scripted_intent};
use roadproof_perception::Perception;
use roadproof_sim::{FleetError, Observations, Scenario};

/// Many drives on training roads, seen through perception.
pub struct Environment {
    env: VectorEnv,
    senses: Senses,
    features: Vec<f32>,
    hardening: Hardening,
    adversary: Option<Adversary>,
}

/// What the policy learns by.
enum Senses {
    /// Frames, and what the car tells of itself.
    Eyes(Box<Eyes>),
    /// What the car tells of itself.
    Odometer(Odometer),
}

impl Senses {
    fn look(&mut self, seen: &Observations, features: &mut [f32]) {
        match self {
            Self::Eyes(eyes) => drop(eyes.look(seen, features)),
            Self::Odometer(odometer) => odometer.feel(seen, features),
        }
    }

    fn look_afresh(&mut self, seen: &Observations, worlds: &[usize], features: &mut [f32]) {
        match self {
            Self::Eyes(eyes) => eyes.look_afresh(seen, worlds, features),
            Self::Odometer(odometer) => odometer.feel_afresh(seen, worlds, features),
        }
    }
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
    /// Scenarios that broke a driver.
    pub found: Vec<Scenario>,
}

/// What one decision of all worlds led to.
#[derive(Clone, Debug, Default)]
pub struct Experience {
    /// Reward of each world.
    pub reward: Vec<f32>,
    /// What the rewards are the sums of, in the mean over worlds.
    pub terms: Vec<(&'static str, f32)>,
    /// Mean speed over worlds.
    pub speed_mps: f32,
    /// Drives that failed.
    pub terminated: Vec<bool>,
    /// Last observations of drives that arrived or whose time was up: world and policy input.
    pub truncated: Vec<(usize, Vec<f32>)>,
    /// Drives that ended, for statistics.
    pub ended: Vec<Replaced>,
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
        let EnvironmentSettings { mut roads, reward, memory, worlds, threads, found } = settings;
        roads.hard = hardening.roads(found);
        let mut env = VectorEnv::new(roads, reward, worlds, threads, driven)?;
        env.set_camera(perception.is_some());
        let mut adversary = perception.as_ref().and_then(|perception| hardening.adversary(perception, worlds));
        if let Some(adversary) = &mut adversary {
            (0..worlds).for_each(|world| {
                adversary.start(world, hardening.attacked(env.roads().seed_of(driven + world as u64)));
            });
        }
        let mut senses = match perception {
            Some(perception) => Senses::Eyes(Box::new(Eyes::new(perception, memory, worlds))),
            None => Senses::Odometer(Odometer::new(memory, worlds)),
        };
        let mut features = vec![0.0; worlds * FEATURES];
        senses.look(env.seen(), &mut features);
        Ok(Self { env, senses, features, hardening, adversary })
    }

    /// Lets budgets and severities grow with the training, of which a share of `progress` is done.
    pub fn grow(&mut self, progress: f64) {
        self.hardening.grow(progress);
        if let Some(hard) = &mut self.env.roads_mut().hard {
            hard.severity = self.hardening.growth();
        }
    }

    /// The policy's regulariser for the budget as it is now, if the hardening asks for one.
    #[must_use]
    pub fn regulariser(&self) -> Option<RobustQ> {
        let Senses::Eyes(eyes) = &self.senses else { return None };
        let worlds = self.env.seen().measures.len();
        let situation = |world: usize| Situation::new(eyes.memory(world), self.env.seen(), world);
        self.hardening.regulariser(eyes.perception(), worlds, situation)
    }

    /// Policy inputs of all worlds now.
    ///
    /// # Shapes
    /// - returns: `worlds × FEATURES`
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// What the scripted driver, who knows the truth, would do in each world now, as near as a policy can choose it.
    #[must_use]
    pub fn taught(&self) -> Vec<Action> {
        let worlds = self.env.seen().measures.iter().zip(&self.env.seen().vehicles);
        worlds
            .map(|(measures, vehicle)| {
                let (steer_rad, acceleration_mps2) = scripted_intent(measures, vehicle);
                Action::nearest(steer_rad, acceleration_mps2)
            })
            .collect()
    }

    /// Roads driven so far.
    #[must_use]
    pub fn driven(&self) -> u64 {
        self.env.driven()
    }

    /// One decision of every world.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    pub fn step(&mut self, actions: &[Action]) -> Result<Experience, FleetError> {
        let Self { env, senses, features, hardening, adversary } = self;
        let Transition { reward, terms, speed_mps, terminated, ended } = env.step(actions, |seen| {
            if let Some(adversary) = adversary {
                adversary.act(hardening.attack_eps(), &mut seen.rgb);
            }
            senses.look(seen, features);
        })?;
        let last = |ended: &Replaced| (ended.world, features[ended.world * FEATURES..][..FEATURES].to_vec());
        let truncated = ended.iter().filter(|ended| ended.truncated).map(last).collect();
        if !ended.is_empty() {
            if let Some(adversary) = adversary {
                for Replaced { world, next_road, .. } in &ended {
                    adversary.start(*world, hardening.attacked(env.roads().seed_of(*next_road)));
                }
            }
            let worlds: Vec<usize> = ended.iter().map(|ended| ended.world).collect();
            senses.look_afresh(env.seen(), &worlds, features);
        }
        Ok(Experience { reward, terms, speed_mps, terminated, truncated, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;
    use crate::harden::HardenSettings;
    use roadproof_env::action::{ACCELERATION_MPS2, STEER_RAD};
    use roadproof_sim::{DriveStyle, Fleet, Outcome};

    const WORLDS: usize = 3;
    /// Straight on, a little faster.
    const ON: Action = Action { steer: 5, acceleration: 3 };
    const _: () = assert!(STEER_RAD[ON.steer] == 0.0 && ACCELERATION_MPS2[ON.acceleration] > 0.0);

    fn scenario(text: &str) -> Scenario {
        let text = format!("Scenario(format: 1, title: \"t\", road: Straight(length_m: 300.0), {text})");
        roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()
    }

    /// An environment that drives one scenario and nothing else.
    fn environment(found: Scenario) -> Environment {
        let perception = LearnedDriver::shipped().expect("it is built in").perception().clone();
        let harden =
            HardenSettings { found_drives: 1.0, fault_drives: 0.0, attack_drives: 0.0, ..HardenSettings::default() };
        let settings = EnvironmentSettings {
            roads: Roads::new(1, DriveStyle::default()),
            reward: RewardSettings::default(),
            memory: MemorySettings::default(),
            worlds: WORLDS,
            threads: 1,
            found: vec![found],
        };
        Environment::new(settings, Some(perception), Hardening::new(Some(harden)), 0).expect("worlds")
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
        let mut environment = environment(found);
        for (decision, look) in looks.iter().enumerate().take(5).skip(1) {
            let transition = environment.step(&[ON; WORLDS]).expect("worlds");
            assert!(transition.truncated.is_empty() && transition.ended.is_empty(), "decision {decision}");
            assert!(environment.features().chunks_exact(FEATURES).all(|row| row == *look), "{decision}");
        }
        let transition = environment.step(&[ON; WORLDS]).expect("worlds");
        assert_eq!(transition.terminated, [false; WORLDS]);
        let ended: Vec<Outcome> = transition.ended.iter().map(|ended| ended.outcome).collect();
        assert_eq!(ended, [Outcome::TimeUp; WORLDS]);
        let truncated: Vec<(usize, Vec<f32>)> = (0..WORLDS).map(|world| (world, looks[5].clone())).collect();
        assert!(transition.truncated == truncated, "the last look at the drive that was cut off");
        assert!(environment.features().chunks_exact(FEATURES).all(|row| row == looks[0]), "the first look at the next");
        assert_eq!(environment.driven(), 2 * WORLDS as u64);
    }

    #[test]
    fn a_drive_that_ended_by_itself_has_nothing_to_bootstrap_from() {
        let found = scenario("duration_s: 9.0, ego: (speed_mps: 12.0, heading_deg: -45.0)");
        let first = looks(&found, 0).remove(0);
        let mut environment = environment(found);
        let mut decisions = 0;
        let transition = loop {
            let transition = environment.step(&[ON; WORLDS]).expect("worlds");
            decisions += 1;
            if !transition.ended.is_empty() {
                break transition;
            }
        };
        assert!(decisions > 1 && transition.truncated.is_empty());
        assert_eq!(transition.terminated, [true; WORLDS]);
        assert!(transition.reward.iter().all(|reward| *reward < -0.5 * RewardSettings::default().failure.abs()));
        assert!(environment.features().chunks_exact(FEATURES).all(|row| row == first));
    }
}
