//! Ends the drive: reads the measures, writes the [`Verdict`]. Rewards are the agent's business.

use crate::class::Class;
use crate::clock::Clock;
use crate::outcome::measures::Measures;
use crate::road::Road;
use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

/// How a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// The end of the route was reached by the ego's middle, 5 m before the end of the road.
    Arrived,
    /// The ego touched a car or something beside the road.
    Collision,
    /// The ego's middle left the paved strip by more than [`OFF_ROAD_MARGIN_M`], the car rolled over, or it went back 10 m
    /// behind its start.
    OffRoad,
    /// The ego headed back: more than 115 degrees off its direction, at more than 1 m/s.
    WrongWay,
    /// The ego stood for [`BLOCKED_S`] with no car within 15 m in front of it.
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
    /// Decisions in a row in which the ego stood without a reason.
    pub(crate) standing: u32,
}

impl Verdict {
    /// Judges one decision; the first outcome stands.
    pub(crate) fn judge(&mut self, measures: &Measures, road: &Road, clock: Clock, duration_s: f32) {
        if self.outcome.is_some() {
            return;
        }
        let ego = &measures.ego;
        let waiting = measures.gap_m.is_some_and(|gap_m| gap_m < QUEUE_GAP_M);
        let standing = ego.speed_mps.abs() < STANDING_MPS && !waiting;
        self.standing = if standing { self.standing + 1 } else { 0 };
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
        } else if self.standing >= clock.decisions_in(BLOCKED_S) {
            Some(Outcome::Blocked)
        } else if measures.step >= clock.decision_at(duration_s) {
            Some(Outcome::TimeUp)
        } else {
            None
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::measures::Contact;
    use crate::scenario;
    use crate::vehicle::EgoState;
    use std::path::Path;

    /// The verdict after so many equal decisions of a tenth of a second, of a drive that lasts a minute.
    fn verdict(measures: &Measures, decisions: usize) -> Verdict {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 60.0, road: Straight(length_m: 300.0))";
        let road = scenario::parse(text, Path::new("t.ron")).unwrap().road().clone();
        let mut verdict = Verdict::default();
        (0..decisions).for_each(|_| verdict.judge(measures, &road, Clock::new(10.0), 60.0));
        verdict
    }

    /// A car that drives in its lane, 50 m down the road.
    fn driving() -> Measures {
        let ego = EgoState { s_m: 50.0, d_m: -1.75, speed_mps: 10.0, ..EgoState::default() };
        Measures { ego, step: 50, start_s_m: 5.0, route_completion: 0.2, ..Measures::default() }
    }

    #[test]
    fn every_outcome_has_its_reason() {
        let with_ego = |change: fn(&mut EgoState)| {
            let mut measures = driving();
            change(&mut measures.ego);
            measures
        };
        let contact = Some(Contact { class: Class::Tree, index: 0, closing_speed_mps: 3.0 });
        let standing = with_ego(|ego| ego.speed_mps = 0.0);
        let cases = [
            (driving(), None),
            (Measures { route_completion: 1.0, ..driving() }, Some(Outcome::Arrived)),
            (Measures { contact, ..driving() }, Some(Outcome::Collision)),
            (with_ego(|ego| ego.d_m = -7.0), Some(Outcome::OffRoad)),
            (with_ego(|ego| ego.d_m = 7.0), Some(Outcome::OffRoad)),
            (with_ego(|ego| ego.s_m = -6.0), Some(Outcome::OffRoad)),
            (Measures { heading_rad: -2.5, ..driving() }, Some(Outcome::WrongWay)),
            (standing, Some(Outcome::Blocked)),
            (Measures { gap_m: Some(5.0), ..standing }, None),
            (Measures { step: 600, ..driving() }, Some(Outcome::TimeUp)),
        ];
        let decisions = (BLOCKED_S * 10.0) as usize;
        for (measures, outcome) in cases {
            let verdict = verdict(&measures, decisions);
            assert_eq!(verdict.outcome, outcome, "{measures:?}");
            assert_eq!(verdict.contact_class, measures.contact.map(|contact| contact.class));
        }
        assert_eq!(verdict(&standing, decisions - 1).outcome, None, "a decision less is no block");
        assert_eq!(verdict(&Measures { step: 599, ..driving() }, 1).outcome, None, "nor is a decision less the time");
    }
}
