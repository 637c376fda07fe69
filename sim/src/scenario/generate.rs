//! Everyday drives from a seed: a generated road with traffic on it. What training, validation and evaluation drive on.

use crate::camera::CameraSettings;
use crate::outcome::expectations::{Expect, ExpectBy};
use crate::road::{self, LaneId, Road, RoadStyle};
use crate::scenario::{EgoStart, FORMAT, RoadSpec, Scenario};
use crate::seed::{Purpose, Seed, Stream};
use crate::traffic::{ActorKind, ActorSpec, ActorStart, Idm, Manoeuvre};
use crate::trigger::Trigger;
use serde::{Deserialize, Serialize};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        length_m: f32 = 100.0 to 2000.0;
        max_cars: u8 = 0 to 200;
    }
}

/// Bounds of what [`generate_drive`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriveStyle {
    /// Least length of the road.
    #[serde(deserialize_with = "range::length_m")]
    pub length_m: f32,
    /// Bounds of the road.
    pub road: RoadStyle,
    /// Greatest number of other cars; zero for an empty road, otherwise there is at least one.
    #[serde(deserialize_with = "range::max_cars")]
    pub max_cars: u8,
    /// The ego's camera.
    pub camera: CameraSettings,
}

impl Default for DriveStyle {
    fn default() -> Self {
        Self { length_m: 350.0, road: RoadStyle::default(), max_cars: 10, camera: CameraSettings::default() }
    }
}

/// Draws a drive: a road, and traffic of leads, slow leads, cars that stop for a while, and oncoming cars.
///
/// The ego starts somewhere in its lanes, moving or standing. Nothing on the road asks for more than keeping the lane and
/// the distance: whoever stops ahead goes on again.
#[must_use]
pub fn generate_drive(seed: Seed, style: &DriveStyle) -> Scenario {
    let road = road::generate(seed, style.length_m, &style.road);
    let mut stream = seed.stream(Purpose::Traffic);
    let limit_mps = road.speed_limit_mps(0.0);
    let lane = LaneId(stream.below(usize::from(road.cross_section.lanes)) as i8);
    let ego = EgoStart {
        lane,
        s_m: 8.0,
        speed_mps: if stream.chance(0.3) { 0.0 } else { limit_mps * stream.uniform(0.4, 0.9) },
        ..EgoStart::default()
    };
    let cars = if style.max_cars == 0 { 0 } else { 1 + stream.below(usize::from(style.max_cars)) };
    let mut actors: Vec<ActorSpec> = Vec::new();
    if cars > 0 && stream.chance(0.75) {
        actors.push(draw_lead(&mut stream, ego, limit_mps));
    }
    for _ in 0..8 * cars {
        if actors.len() >= cars {
            break;
        }
        let actor = draw_car(&mut stream, &road, limit_mps, actors.len());
        if fits(&actor, &actors, ego) {
            actors.push(actor);
        }
    }
    // The Leaderboard allows a tenth of the limit and minutes on top; here a drive at a third of the limit still arrives.
    let duration_s = 20.0 + 3.0 * road.length_m() / limit_mps;
    Scenario {
        format: FORMAT,
        title: format!("Everyday drive {:016x}", seed.0),
        seed,
        duration_s,
        decision_hz: 10.0,
        substeps: 4,
        road: RoadSpec::Generated { length_m: style.length_m, seed: None, style: style.road },
        light: None,
        ego,
        actors,
        camera: style.camera,
        perturbations: Vec::new(),
        recorded: None,
        expect: Expect::default(),
        expect_by: ExpectBy::default(),
    }
}

/// The car straight ahead, which makes following worth learning.
fn draw_lead(stream: &mut Stream, ego: EgoStart, limit_mps: f32) -> ActorSpec {
    let gap_m = stream.uniform(12.0, 45.0) + 0.8 * ego.speed_mps;
    let desired_mps = limit_mps * if stream.chance(0.4) { stream.uniform(0.3, 0.55) } else { stream.uniform(0.6, 1.0) };
    let speed_mps = desired_mps.min(ego.speed_mps.max(3.0));
    let mut script = Vec::new();
    if stream.chance(0.5) {
        let when = Trigger::At { at_s: stream.uniform(3.0, 25.0) };
        script.push(if stream.chance(0.5) {
            Manoeuvre::Stop { when, decel_mps2: stream.uniform(1.5, 4.0), hold_s: Some(stream.uniform(1.0, 5.0)) }
        } else {
            Manoeuvre::Brake { when, decel_mps2: stream.uniform(1.5, 4.0), for_s: stream.uniform(0.8, 2.0) }
        });
    }
    let start = ActorStart { lane: ego.lane, s_m: ego.s_m + 4.5 + gap_m, speed_mps };
    ActorSpec { script, ..actor("lead".to_owned(), draw_kind(stream), start, desired_mps) }
}

fn draw_car(stream: &mut Stream, road: &Road, limit_mps: f32, number: usize) -> ActorSpec {
    let section = road.cross_section;
    let oncoming = section.oncoming_lanes > 0 && stream.chance(0.55);
    let lane = if oncoming {
        LaneId(-1 - stream.below(usize::from(section.oncoming_lanes)) as i8)
    } else {
        LaneId(stream.below(usize::from(section.lanes)) as i8)
    };
    let speed_mps = limit_mps * stream.uniform(0.5, 1.0);
    let start = ActorStart { lane, s_m: stream.uniform(0.0, road.length_m()), speed_mps };
    actor(format!("car {number}"), draw_kind(stream), start, speed_mps)
}

fn draw_kind(stream: &mut Stream) -> ActorKind {
    match stream.below(10) {
        0 => ActorKind::Truck,
        1 | 2 => ActorKind::Van,
        _ => ActorKind::Car,
    }
}

fn actor(name: String, kind: ActorKind, start: ActorStart, desired_mps: f32) -> ActorSpec {
    ActorSpec {
        name,
        kind,
        start,
        desired_speed_mps: Some(desired_mps),
        idm: Idm::default(),
        colour: None,
        script: Vec::new(),
    }
}

/// Room to the cars drawn so far and to the ego, behind whom nobody starts fast.
fn fits(candidate: &ActorSpec, others: &[ActorSpec], ego: EgoStart) -> bool {
    let room_m = 8.0 + candidate.start.speed_mps;
    let clear = |lane: LaneId, s_m: f32, length_m: f32| {
        lane != candidate.start.lane
            || (s_m - candidate.start.s_m).abs() > room_m + 0.5 * (length_m + candidate.kind.size_m().0)
    };
    let behind_ego = candidate.start.lane == ego.lane && candidate.start.s_m < ego.s_m;
    !behind_ego
        && clear(ego.lane, ego.s_m, ego.vehicle.length_m)
        && others.iter().all(|other| clear(other.start.lane, other.start.s_m, other.kind.size_m().0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Split;

    #[test]
    fn generated_drives_pass_the_checks() {
        let mut cars = 0;
        for index in 0..200 {
            let scenario = generate_drive(Seed::of_split(Split::Train, 9, index), &DriveStyle::default());
            let checked = scenario.check().unwrap_or_else(|error| panic!("{index}: {error}"));
            cars += checked.actors.len();
        }
        assert!(cars > 500, "{cars} cars on 200 roads");
    }
}
