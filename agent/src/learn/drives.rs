//! The drives of a group of worlds: a part of the environment that is simulated while another is looked at.

use crate::driver::{Eyes, Odometer};
use crate::harden::{Adversary, Hardening};
use crate::learn::task::{Experience, Group};
use crate::memory::situation::Situation;
use crate::memory::{FEATURES, MemorySettings};
use roadproof_env::vector::{Replaced, Transition, UnderWay, VectorEnv};
use roadproof_env::{Action, scripted_intent};
use roadproof_perception::Perception;
use roadproof_sim::{FleetError, Observations};

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

/// Worlds next to each other, and who looks at them. Within it worlds count from nought.
pub(super) struct Drives {
    /// The number of the first world.
    first: usize,
    /// Away while it is simulated.
    env: Option<VectorEnv>,
    senses: Senses,
    features: Vec<f32>,
    adversary: Option<Adversary>,
}

impl Drives {
    /// Drives on the roads of an environment that has begun, the first of which has this number.
    pub fn new(
        first: usize,
        mut env: VectorEnv,
        perception: Option<&Perception>,
        memory: MemorySettings,
        hardening: &Hardening,
    ) -> Self {
        let worlds = env.seen().measures.len();
        env.set_camera(perception.is_some());
        let mut adversary = perception.and_then(|perception| hardening.adversary(perception, worlds));
        if let Some(adversary) = &mut adversary {
            let first_road = env.driven() - worlds as u64;
            (0..worlds).for_each(|world| {
                adversary.start(world, hardening.attacked(env.roads().seed_of(first_road + world as u64)));
            });
        }
        let mut senses = match perception {
            Some(perception) => Senses::Eyes(Box::new(Eyes::new(perception.clone(), memory, worlds))),
            None => Senses::Odometer(Odometer::new(memory, worlds)),
        };
        let mut features = vec![0.0; worlds * FEATURES];
        senses.look(env.seen(), &mut features);
        Self { first, env: Some(env), senses, features, adversary }
    }

    /// How many worlds there are.
    pub fn worlds(&self) -> usize {
        self.features.len() / FEATURES
    }

    /// Severities grow with the training.
    pub fn grow(&mut self, severity: f32) {
        if let Some(hard) = self.env.as_mut().and_then(|env| env.roads_mut().hard.as_mut()) {
            hard.severity = severity;
        }
    }

    /// The perception, if there is one.
    pub fn perception(&self) -> Option<&Perception> {
        match &self.senses {
            Senses::Eyes(eyes) => Some(eyes.perception()),
            Senses::Odometer(_) => None,
        }
    }

    /// What a world of those with a camera is like.
    pub fn situation(&self, world: usize) -> Option<Situation> {
        match &self.senses {
            Senses::Eyes(eyes) => Some(Situation::new(eyes.memory(world), self.env.as_ref()?.seen(), world)),
            Senses::Odometer(_) => None,
        }
    }

    /// Shows the worlds as they are now.
    pub fn show<R>(&self, to: impl FnOnce(&Group<'_>) -> R) -> R {
        let teacher = || self.env.as_ref().map_or_else(Vec::new, taught);
        let worlds = self.first..self.first + self.worlds();
        to(&Group { worlds, features: &self.features, teacher: &teacher })
    }

    /// The drives under way, in the order of their worlds.
    pub fn under_way(&self) -> &[UnderWay] {
        self.env.as_ref().map_or(&[], VectorEnv::under_way)
    }

    /// Begins a drive on a road in each of these worlds, as where one has ended.
    ///
    /// # Errors
    /// [`FleetError`] if a drive cannot be built.
    pub fn begin(&mut self, roads: &[(usize, u64)], hardening: &Hardening) -> Result<(), FleetError> {
        let Some(env) = &mut self.env else { return Ok(()) };
        env.begin(roads)?;
        for &(world, road) in roads {
            if let Some(adversary) = &mut self.adversary {
                adversary.start(world, hardening.attacked(env.roads().seed_of(road)));
            }
        }
        let worlds: Vec<usize> = roads.iter().map(|(world, _)| *world).collect();
        self.senses.look_afresh(env.seen(), &worlds, &mut self.features);
        Ok(())
    }

    /// Gives the worlds away, to be simulated.
    pub fn take(&mut self) -> VectorEnv {
        self.env.take().expect("worlds come back before they are given away again")
    }

    /// Looks at worlds that were simulated, and replaces the drives that have ended by the next roads after so many.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    pub fn look(
        &mut self,
        mut env: VectorEnv,
        hardening: &Hardening,
        driven: &mut u64,
    ) -> Result<Experience, FleetError> {
        let Self { senses, features, adversary, .. } = self;
        if let Some(adversary) = adversary {
            adversary.act(hardening.attack_eps(), env.frames_mut());
        }
        senses.look(env.seen(), features);
        env.set_driven(*driven);
        let Transition { reward, terms, speed_mps, terminated, ended } = env.settle()?;
        *driven = env.driven();
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
        self.env = Some(env);
        Ok(Experience { reward, terms, speed_mps, terminated, truncated, ended })
    }
}

/// What the scripted driver, who knows the truth, would do in each world now, as near as a policy can choose it.
fn taught(env: &VectorEnv) -> Vec<Action> {
    let worlds = env.seen().measures.iter().zip(&env.seen().vehicles);
    let intents = worlds.map(|(measures, vehicle)| scripted_intent(measures, vehicle));
    intents.map(|(steer_rad, acceleration_mps2)| Action::nearest(steer_rad, acceleration_mps2)).collect()
}
