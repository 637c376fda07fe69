//! Where the simulator meets perception: many drives as one vectorised environment.
//!
//! Autoreset is same-step (Gymnasium's `SAME_STEP`): a drive that ends is replaced at once, and its last observation is
//! kept apart. Terminated and truncated are told apart: only a truncated drive's last observation has a value to bootstrap from.

use crate::driver::Eyes;
use crate::harden::regulariser::RobustQ;
use crate::harden::{Adversary, random_perturbations};
use crate::memory::FEATURES;
use crate::memory::situation::Situation;
use crate::train::settings::Settings;
use roadproof_env::action::Action;
use roadproof_perception::Perception;
use roadproof_sim::{Fleet, FleetError, Observations, Outcome, Purpose, Scenario, Score, Seed, Split, generate_drive};

/// Many drives on training roads, seen through perception.
pub struct Environment {
    fleet: Fleet,
    seen: Observations,
    eyes: Eyes,
    features: Vec<f32>,
    settings: Settings,
    roads: u64,
    hard: Hard,
    found: Vec<Scenario>,
}

/// What makes drives hard.
struct Hard {
    adversary: Option<Adversary>,
    /// How far budgets and severities have grown, 0 to 1.
    growth: f32,
}

/// What one decision of all worlds led to.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// Reward of each world.
    pub reward: Vec<f32>,
    /// Drives that ended by themselves.
    pub terminated: Vec<bool>,
    /// Last observations of drives cut off by their time limit: world and policy input.
    pub truncated: Vec<(usize, Vec<f32>)>,
    /// Drives that ended, for statistics.
    pub ended: Vec<(Outcome, Score)>,
}

/// Seeds of the roads that the policy learns on begin here; those before taught perception.
const FIRST_ROAD: u64 = 1 << 32;

impl Environment {
    /// Starts the drives; `roads` have been driven before (zero for a fresh run), and a share of `progress` is learnt. A
    /// hardening mixes in drives that were `found` to break a driver.
    ///
    /// # Errors
    /// [`FleetError`] if the settings describe drives that cannot be built, or a found one has another camera.
    pub fn new(
        settings: &Settings,
        found: Vec<Scenario>,
        perception: Perception,
        roads: u64,
        progress: f64,
    ) -> Result<Self, FleetError> {
        let worlds = settings.learn.worlds;
        let growth = settings.harden.map_or(0.0, |harden| harden.growth(progress));
        let scenarios: Vec<Scenario> =
            (0..worlds as u64).map(|world| learning_drive(settings, &found, growth, roads + world)).collect();
        let mut fleet = Fleet::new(scenarios, settings.threads())?;
        let seen = fleet.observe();
        let attacked = settings.harden.is_some_and(|harden| harden.attack_drives > 0.0);
        let mut adversary = attacked.then(|| Adversary::new(&perception, worlds));
        if let Some(adversary) = &mut adversary {
            (0..worlds).for_each(|world| {
                adversary.start(world, attacked_drive(settings, road_seed(settings, roads + world as u64)));
            });
        }
        let mut eyes = Eyes::new(perception, settings.memory, worlds);
        let mut features = vec![0.0; worlds * FEATURES];
        eyes.look(&seen, &mut features);
        let settings = settings.clone();
        let hard = Hard { adversary, growth };
        Ok(Self { fleet, seen, eyes, features, settings, roads: roads + worlds as u64, hard, found })
    }

    /// Lets budgets and severities grow with the training, of which a share of `progress` is done.
    pub fn grow(&mut self, progress: f64) {
        self.hard.growth = self.settings.harden.map_or(0.0, |harden| harden.growth(progress));
    }

    /// The policy's regulariser for the budget as it is now, if the settings ask for it.
    #[must_use]
    pub fn robust_q(&self) -> Option<RobustQ> {
        let settings = self.settings.harden?.policy;
        if !settings.on() {
            return None;
        }
        let worlds = self.seen.measures.len();
        let frames = settings.spread.frames.min(worlds);
        let situation = |frame: usize| {
            let world = frame * worlds / frames;
            Situation::new(self.eyes.memory(world), &self.seen, world)
        };
        let situations: Vec<Situation> = (0..frames).map(situation).collect();
        let radius = settings.spread.radius(self.hard.growth, self.eyes.perception(), &situations);
        Some(RobustQ { settings, radius })
    }

    /// Policy inputs of all worlds now.
    ///
    /// # Shapes
    /// - returns: `worlds × FEATURES`
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// Roads driven so far.
    #[must_use]
    pub fn roads(&self) -> u64 {
        self.roads
    }

    /// One decision of every world.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    pub fn step(&mut self, actions: &[Action]) -> Result<Transition, FleetError> {
        let before = self.seen.measures.clone();
        let worlds = self.seen.sensed.iter().zip(&self.seen.vehicles).zip(actions);
        let controls: Vec<_> =
            worlds.map(|((sensed, vehicle), action)| action.controls(vehicle, &sensed.ego)).collect();
        self.fleet.step(&controls, &mut self.seen);
        if let (Some(adversary), Some(harden)) = (&mut self.hard.adversary, self.settings.harden) {
            adversary.act(harden.attack_eps * self.hard.growth, &mut self.seen.rgb);
        }
        self.eyes.look(&self.seen, &mut self.features);
        let mut transition = Transition::default();
        let mut ended = Vec::new();
        for (world, before) in before.iter().enumerate() {
            let (after, verdict) = (&self.seen.measures[world], &self.seen.verdicts[world]);
            transition.reward.push(self.settings.reward.reward(before, after, verdict));
            transition.terminated.push(verdict.terminated());
            if verdict.truncated() {
                transition.truncated.push((world, self.features[world * FEATURES..][..FEATURES].to_vec()));
            }
            if let Some(outcome) = verdict.outcome {
                transition.ended.push((outcome, self.seen.scores[world]));
                ended.push(world);
            }
        }
        if !ended.is_empty() {
            self.restart(&ended)?;
        }
        Ok(transition)
    }

    fn restart(&mut self, ended: &[usize]) -> Result<(), FleetError> {
        let mut scenarios = Vec::with_capacity(ended.len());
        for &world in ended {
            let scenario = learning_drive(&self.settings, &self.found, self.hard.growth, self.roads);
            if let Some(adversary) = &mut self.hard.adversary {
                adversary.start(world, attacked_drive(&self.settings, road_seed(&self.settings, self.roads)));
            }
            scenarios.push((world, scenario));
            self.roads += 1;
        }
        self.fleet.restart(scenarios, &mut self.seen)?;
        self.eyes.look_afresh(&self.seen, ended, &mut self.features);
        Ok(())
    }
}

/// The seed of a training road.
fn road_seed(settings: &Settings, road: u64) -> Seed {
    Seed::of_split(Split::Train, settings.seed, FIRST_ROAD + road)
}

/// A training road on which the drive starts anywhere in the lane. In a hardening, sensors fail on some, and some are not drawn
/// but found.
fn learning_drive(settings: &Settings, found: &[Scenario], growth: f32, road: u64) -> Scenario {
    let seed = road_seed(settings, road);
    let mut scenario = generate_drive(seed, &settings.drive);
    let mut stream = seed.stream(Purpose::Disturbance);
    scenario.ego.offset_m = 0.4 * stream.normal().clamp(-2.5, 2.5);
    scenario.ego.heading_deg = 2.0 * stream.normal().clamp(-3.0, 3.0);
    let Some(harden) = settings.harden else { return scenario };
    if !found.is_empty() && stream.chance(harden.found_drives) {
        return found[stream.below(found.len())].clone();
    }
    if stream.chance(harden.fault_drives) {
        scenario.perturbations = random_perturbations(&mut stream, growth, scenario.duration_s);
    }
    scenario
}

/// The seed of the adversary of a drive, if it is attacked.
fn attacked_drive(settings: &Settings, seed: Seed) -> Option<Seed> {
    let harden = settings.harden?;
    let adversary = seed.child(1);
    adversary.stream(Purpose::Driver).chance(harden.attack_drives).then_some(adversary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;
    use crate::harden::HardenSettings;
    use roadproof_env::action::{ACCELERATION_MPS2, STEER_RAD};

    const WORLDS: usize = 3;
    /// Straight on, a little faster.
    const ON: Action = Action { steer: 5, acceleration: 3 };
    const _: () = assert!(STEER_RAD[ON.steer] == 0.0 && ACCELERATION_MPS2[ON.acceleration] > 0.0);

    /// A hardening that drives what was found, or drawn roads, and nothing else.
    fn settings(found_drives: f32, fault_drives: f32, attack_drives: f32) -> Settings {
        let harden = HardenSettings { found_drives, fault_drives, attack_drives, ..HardenSettings::default() };
        let mut settings = Settings { harden: Some(harden), ..Settings::default() };
        settings.learn.worlds = WORLDS;
        settings
    }

    fn found(text: &str) -> Vec<Scenario> {
        let text = format!("Scenario(format: 1, title: \"t\", road: Straight(length_m: 300.0), {text})");
        vec![roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()]
    }

    fn environment(found: Vec<Scenario>) -> Environment {
        let perception = LearnedDriver::shipped().expect("it is built in").perception().clone();
        Environment::new(&settings(1.0, 0.0, 0.0), found, perception, 0, 0.0).expect("worlds")
    }

    /// The policy's input at each decision of a scenario, the first included.
    fn looks(scenario: &Scenario, decisions: usize) -> Vec<Vec<f32>> {
        let perception = LearnedDriver::shipped().expect("it is built in").perception().clone();
        let mut fleet = Fleet::new(vec![scenario.clone()], 1).expect("a world");
        let mut seen = fleet.observe();
        let mut eyes = Eyes::new(perception, Settings::default().memory, 1);
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
        let found = found("duration_s: 0.5, ego: (speed_mps: 9.0)");
        let looks = looks(&found[0], 5);
        let mut environment = environment(found);
        for (decision, look) in looks.iter().enumerate().take(5).skip(1) {
            let transition = environment.step(&[ON; WORLDS]).expect("worlds");
            assert!(transition.truncated.is_empty() && transition.ended.is_empty(), "decision {decision}");
            assert!(environment.features().chunks_exact(FEATURES).all(|row| row == *look), "{decision}");
        }
        let transition = environment.step(&[ON; WORLDS]).expect("worlds");
        assert_eq!(transition.terminated, [false; WORLDS]);
        let ended: Vec<Outcome> = transition.ended.iter().map(|(outcome, _)| *outcome).collect();
        assert_eq!(ended, [Outcome::TimeUp; WORLDS]);
        let truncated: Vec<(usize, Vec<f32>)> = (0..WORLDS).map(|world| (world, looks[5].clone())).collect();
        assert!(transition.truncated == truncated, "the last look at the drive that was cut off");
        assert!(environment.features().chunks_exact(FEATURES).all(|row| row == looks[0]), "the first look at the next");
        assert_eq!(environment.roads(), 2 * WORLDS as u64);
    }

    #[test]
    fn a_drive_that_ended_by_itself_has_nothing_to_bootstrap_from() {
        let found = found("duration_s: 9.0, ego: (speed_mps: 12.0, heading_deg: -45.0)");
        let first = looks(&found[0], 0).remove(0);
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
        assert!(transition.reward.iter().all(|reward| *reward < -0.5 * Settings::default().reward.failure.abs()));
        assert!(environment.features().chunks_exact(FEATURES).all(|row| row == first));
    }

    #[test]
    fn as_many_drives_are_found_faulty_and_attacked_as_the_settings_say() {
        const ROADS: u64 = 1500;
        let cases = found("duration_s: 9.0");
        let count = |settings: &Settings, what: &dyn Fn(&Scenario) -> bool| {
            (0..ROADS).filter(|&road| what(&learning_drive(settings, &cases, 1.0, road))).count()
        };
        // Within four standard deviations of a binomial's mean.
        let near = |count: usize, share: f64| {
            let (mean, spread) = (ROADS as f64 * share, (ROADS as f64 * share * (1.0 - share)).sqrt());
            assert!((count as f64 - mean).abs() <= 4.0 * spread, "{count} of {ROADS}, wanted {share}");
        };
        let some = settings(0.3, 0.25, 0.1);
        let is_found = |scenario: &Scenario| scenario.title == "t";
        near(count(&some, &is_found), 0.3);
        near(count(&some, &|scenario| !scenario.perturbations.is_empty()), 0.7 * 0.25);
        let attacked = |road| attacked_drive(&some, road_seed(&some, road)).is_some();
        near((0..ROADS).filter(|&road| attacked(road)).count(), 0.1);
        let none = Settings { harden: None, ..some };
        assert_eq!(count(&none, &|scenario| is_found(scenario) || !scenario.perturbations.is_empty()), 0);
        assert!((0..ROADS).all(|road| attacked_drive(&none, road_seed(&none, road)).is_none()));
    }
}
