//! A driver of one's own in Rust: `cargo run --release --example own_driver`.
//!
//! Whoever implements [`Drives`] drives as many worlds at once as there are. This one keeps the lane and the distance by what the
//! simulator knows, so it is a yardstick and no contestant; one that shall be honest says that it needs the camera and looks at
//! `seen.frame(world)` and at what `seen.sensed[world].ego` tells of its own car. A driver in another language is a program behind
//! `cmd:`, see `own_driver.py`.

use roadproof_agent::drive::rollout::Rollout;
use roadproof_agent::driver::Drives;
use roadproof_env::action::controls_for;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, DriveStyle, Measures, Observations, Seed, Split, generate_drive};

const ROADS: u64 = 20;

/// Keeps the lane, and so many seconds behind whoever is ahead.
struct LaneKeeper {
    headway_s: f32,
    /// Of each world, the acceleration it asked for last: it changes by little from one decision to the next.
    last_mps2: Vec<f32>,
}

impl LaneKeeper {
    fn decide(&mut self, world: usize, sensed: &Measures, vehicle: &VehicleSettings) -> Controls {
        let feedback_per_m = -0.018 * sensed.lane_offset_m - 0.26 * sensed.heading_rad;
        let steer_rad = vehicle.steer_for_curvature(sensed.curvature_per_m + feedback_per_m);
        let speed_mps = sensed.ego.speed_mps;
        let to_limit_mps2 = 0.4 * (sensed.speed_limit_mps - speed_mps);
        let to_lead_mps2 = sensed.gap_m.map_or(f32::INFINITY, |gap_m| {
            let missing_m = gap_m - 3.0 - self.headway_s * speed_mps;
            0.2 * missing_m + 0.8 * (sensed.lead_speed_mps - speed_mps)
        });
        let wanted_mps2 = to_limit_mps2.min(to_lead_mps2).clamp(-6.0, 1.8);
        let last_mps2 = &mut self.last_mps2[world];
        *last_mps2 = wanted_mps2.clamp(*last_mps2 - 0.5, *last_mps2 + 0.3);
        controls_for(steer_rad, *last_mps2, vehicle, &sensed.ego)
    }
}

impl Drives for LaneKeeper {
    fn needs_camera(&self) -> bool {
        false
    }

    fn start(&mut self, seeds: &[Seed]) {
        self.last_mps2 = vec![0.0; seeds.len()];
    }

    fn restart(&mut self, world: usize, _: Seed) {
        self.last_mps2[world] = 0.0;
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        let worlds = seen.sensed.iter().zip(&seen.vehicles).enumerate();
        worlds.map(|(world, (sensed, vehicle))| self.decide(world, sensed, vehicle)).collect()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let style = DriveStyle::default();
    let roads = (0..ROADS).map(|road| generate_drive(Seed::of_split(Split::Validation, 1, road), &style));
    let mut driver = LaneKeeper { headway_s: 1.4, last_mps2: Vec::new() };
    let mut rollout = Rollout::start(roads.collect(), &mut driver, 1)?;
    rollout.to_the_end();
    let seen = rollout.seen();
    let mut sum = 0.0;
    for (road, (verdict, score)) in seen.verdicts.iter().zip(&seen.scores).enumerate() {
        let outcome = verdict.outcome.ok_or("every drive has ended")?;
        println!("road {road:>2}: {outcome:?}, driving score {:.1}", score.driving_score);
        sum += score.driving_score;
    }
    println!("mean driving score {:.1}", sum / ROADS as f32);
    Ok(())
}
