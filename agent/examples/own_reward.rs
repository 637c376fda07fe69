//! A reward of one's own in the vectorised environment, and something that learns from it:
//! `cargo run --release --example own_reward`.
//!
//! What `train` learns from is weighed by the settings (`roadproof train --set reward.progress=0.2`) and made in
//! `agent/env/src/reward.rs`. Here a reward that is not among its terms, metres driven less what sideways acceleration costs, is taken
//! from what the worlds measured, and the two gains of a lane keeper are learnt by it with the cross-entropy method.
//!
//! # Source
//! Rubinstein and Kroese 2004, "The Cross-Entropy Method": draw from a normal distribution, keep the best, fit it to them.

use roadproof_env::action::{Action, STEER_RAD};
use roadproof_env::{RewardSettings, Roads, VectorEnv};
use roadproof_sim::seed::Stream;
use roadproof_sim::{DriveStyle, FleetError, Measures, Purpose, Seed};

/// Drives at once, one for each pair of gains that is tried.
const TRIED: usize = 32;
/// The best of them, which the next are drawn around.
const KEPT: usize = 6;
const ROUNDS: usize = 8;
/// Decisions of a trial, twenty seconds.
const DECISIONS: usize = 200;

/// Steering per metre of offset and per radian of heading.
#[derive(Clone, Copy)]
struct Gains([f32; 2]);

/// Metres driven, less a metre for each m/s² sideways beyond two; leaving the lane is worth nothing.
fn reward(before: &Measures, after: &Measures) -> f32 {
    let sideways_mps2 = (after.ego.speed_mps * after.ego.yaw_rate_rad_per_s).abs();
    let metres = after.driven_m - before.driven_m;
    if after.outside_lanes { 0.0 } else { metres - (sideways_mps2 - 2.0).max(0.0) }
}

fn keep_lane(gains: Gains, sensed: &Measures, wheelbase_m: f32) -> Action {
    let Gains([per_m, per_rad]) = gains;
    let bend_rad = wheelbase_m * sensed.curvature_per_m;
    let wanted_rad = bend_rad - per_m * sensed.lane_offset_m - per_rad * sensed.heading_rad;
    let off = |angle: usize| (STEER_RAD[angle] - wanted_rad).abs();
    let steer = (0..STEER_RAD.len()).min_by(|&a, &b| off(a).total_cmp(&off(b))).unwrap_or(0);
    // The last but one is a gentle acceleration, the last but two a gentle braking.
    Action { steer, acceleration: if sensed.ego.speed_mps < 0.9 * sensed.speed_limit_mps { 3 } else { 2 } }
}

/// What each pair of gains comes to.
fn returns(tried: &[Gains]) -> Result<Vec<f32>, FleetError> {
    let roads = Roads::new(7, DriveStyle { max_cars: 0, ..DriveStyle::default() });
    let mut env = VectorEnv::new(roads, RewardSettings::default(), tried.len(), 1, 0)?;
    env.set_camera(false);
    let (mut sums, mut over) = (vec![0.0; tried.len()], vec![false; tried.len()]);
    for _ in 0..DECISIONS {
        let before = env.seen().measures.clone();
        let seen = env.seen();
        let act =
            |(world, gains): (usize, &Gains)| keep_lane(*gains, &seen.sensed[world], seen.vehicles[world].wheelbase_m);
        let actions: Vec<Action> = tried.iter().enumerate().map(act).collect();
        // Shown before drives that end are replaced: their last reward is theirs.
        let mut after = Vec::new();
        let transition = env.step(&actions, |seen| after.clone_from(&seen.measures))?;
        for world in (0..tried.len()).filter(|&world| !over[world]) {
            sums[world] += reward(&before[world], &after[world]);
        }
        transition.ended.iter().for_each(|ended| over[ended.world] = true);
    }
    Ok(sums)
}

fn main() -> Result<(), FleetError> {
    let mut stream: Stream = Seed(1).stream(Purpose::Driver);
    let (mut mean, mut spread) = ([0.0_f32; 2], [0.3_f32; 2]);
    for round in 0..ROUNDS {
        let draw = |stream: &mut Stream| Gains([0, 1].map(|gain| mean[gain] + spread[gain] * stream.normal()));
        let tried: Vec<Gains> = (0..TRIED).map(|_| draw(&mut stream)).collect();
        let returns = returns(&tried)?;
        let mut order: Vec<usize> = (0..TRIED).collect();
        order.sort_by(|&a, &b| returns[b].total_cmp(&returns[a]));
        let all = returns.iter().sum::<f32>() / TRIED as f32;
        println!("round {round}: {all:6.1} in the mean, {:6.1} the best, gains {mean:.3?}", returns[order[0]]);
        for gain in 0..2 {
            let kept = || order[..KEPT].iter().map(|&index| tried[index].0[gain]);
            mean[gain] = kept().sum::<f32>() / KEPT as f32;
            spread[gain] = 0.02 + (kept().map(|value| (value - mean[gain]).powi(2)).sum::<f32>() / KEPT as f32).sqrt();
        }
    }
    Ok(())
}
