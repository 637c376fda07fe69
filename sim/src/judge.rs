//! Ends the drive: reads the measures, writes the [`Verdict`]. Rewards are the agent's business.

use crate::measure::Measures;
use crate::road::Road;
use crate::scene::Class;
use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

/// How a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// The end of the route was reached.
    Arrived,
    /// The ego touched a car or something beside the road.
    Collision,
    /// The ego's middle left the paved strip by more than [`OFF_ROAD_MARGIN_M`], or the car rolled over.
    OffRoad,
    /// The ego headed back.
    WrongWay,
    /// The ego stood for [`BLOCKED_S`] with nothing in front of it.
    Blocked,
    /// The time was up.
    TimeUp,
}

/// How far the ego's middle may leave the paved strip.
pub const OFF_ROAD_MARGIN_M: f32 = 1.5;
/// How long the ego may stand without a reason. The CARLA Leaderboard allows 180 s on routes of kilometres.
pub const BLOCKED_S: f32 = 20.0;
/// Below this speed the ego stands, as in the CARLA Leaderboard's blocked test.
const STANDING_MPS: f32 = 0.1;
/// A gap that is reason enough to stand.
const QUEUE_GAP_M: f32 = 15.0;

/// How a drive ended, once it has.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// `None` while the drive goes on.
    pub outcome: Option<Outcome>,
    /// What was touched in a collision.
    pub contact_class: Option<Class>,
    pub(crate) standing_s: f32,
}

impl Verdict {
    /// Whether the drive has ended by itself: everything but running out of time.
    #[must_use]
    pub fn terminated(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome != Outcome::TimeUp)
    }

    /// Whether the drive was cut off by its time limit; the state after it still has a value.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.outcome == Some(Outcome::TimeUp)
    }

    /// Judges one decision; the first outcome stands.
    pub(crate) fn judge(&mut self, measures: &Measures, road: &Road, duration_s: f32, decision_s: f32) {
        if self.outcome.is_some() {
            return;
        }
        let ego = &measures.ego;
        let waiting = measures.gap_m.is_some_and(|gap_m| gap_m < QUEUE_GAP_M);
        self.standing_s =
            if ego.speed_mps.abs() < STANDING_MPS && !waiting { self.standing_s + decision_s } else { 0.0 };
        let section = &road.cross_section;
        let beyond_m = (ego.d_m - section.left_edge_m()).max(section.right_edge_m() - ego.d_m);
        let upright = (ego.rotation * crate::math::Vec3::Z).z;
        self.contact_class = measures.contact.map(|contact| contact.class);
        self.outcome = if measures.contact.is_some() {
            Some(Outcome::Collision)
        } else if beyond_m > OFF_ROAD_MARGIN_M || upright < 0.5 || ego.s_m < measures.start_s_m - 10.0 {
            Some(Outcome::OffRoad)
        } else if measures.heading_rad.abs() > 2.0 && ego.speed_mps > 1.0 {
            Some(Outcome::WrongWay)
        } else if measures.route_completion >= 1.0 {
            Some(Outcome::Arrived)
        } else if self.standing_s >= BLOCKED_S {
            Some(Outcome::Blocked)
        } else if measures.time_s >= duration_s - 1e-4 {
            Some(Outcome::TimeUp)
        } else {
            None
        };
    }
}
