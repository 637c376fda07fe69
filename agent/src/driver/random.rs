//! The random driver: every decision a new action from the learned driver's list. The floor of every comparison.

use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_sim::seed::Stream;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures, Observations, Purpose, Seed};

/// Draws actions, one stream per world.
#[derive(Clone, Debug, Default)]
pub struct RandomDriver {
    streams: Vec<Stream>,
}

impl RandomDriver {
    /// Prepares one stream per world.
    pub fn start(&mut self, seeds: &[Seed]) {
        self.streams = seeds.iter().map(|seed| seed.stream(Purpose::Driver)).collect();
    }

    /// Begins another drive in a world.
    pub fn restart(&mut self, world: usize, seed: Seed) {
        self.streams[world] = seed.stream(Purpose::Driver);
    }

    /// Controls for every world.
    pub fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        let worlds = seen.sensed.iter().zip(&seen.vehicles);
        let draw = |(stream, (sensed, vehicle)): (&mut Stream, (&Measures, &VehicleSettings))| {
            let action =
                Action { steer: stream.below(STEER_RAD.len()), acceleration: stream.below(ACCELERATION_MPS2.len()) };
            action.controls(vehicle, &sensed.ego)
        };
        self.streams.iter_mut().zip(worlds).map(draw).collect()
    }
}
