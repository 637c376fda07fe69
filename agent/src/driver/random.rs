//! The random driver: every decision a new action from the learned driver's list. The floor of every comparison.

use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_sim::seed::Stream;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures, Purpose, Seed};

/// Draws actions, one stream per world.
#[derive(Clone, Debug, Default)]
pub struct RandomDriver {
    streams: Vec<Stream>,
    vehicle: VehicleSettings,
}

impl RandomDriver {
    /// Prepares one stream per world.
    pub fn start(&mut self, seeds: &[Seed]) {
        self.streams = seeds.iter().map(|seed| seed.stream(Purpose::Driver)).collect();
    }

    /// Controls for every world.
    pub fn act(&mut self, sensed: &[Measures]) -> Vec<Controls> {
        let draw = |(stream, measures): (&mut Stream, &Measures)| {
            let action =
                Action { steer: stream.below(STEER_RAD.len()), acceleration: stream.below(ACCELERATION_MPS2.len()) };
            action.controls(&self.vehicle, &measures.ego)
        };
        self.streams.iter_mut().zip(sensed).map(draw).collect()
    }
}
