//! What something waits for before it begins: a time, a place of the ego, or a distance. Scripts of other cars and sensor faults
//! wait for the same, and one function says whether it has come.

use crate::clock::Clock;
use crate::range;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};

/// When something begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Trigger {
    /// At a time of the drive.
    At {
        /// Seconds from the start of the drive; the decision nearest to it is meant.
        #[serde(deserialize_with = "range::at_s")]
        at_s: f32,
    },
    /// Once the ego has come this far.
    EgoAt {
        /// The place of the ego's middle along the road, from the road's start.
        #[serde(deserialize_with = "range::s_m")]
        s_m: f32,
    },
    /// Once the ego is this near, or has passed since the last decision. It means two things: in the script of another car the distance
    /// between the middles of that car and the ego, for a fault the gap between bumpers.
    EgoWithin {
        /// In a script, the distance between the two cars' middles along the road, whoever is ahead; for a fault, the gap from bumper to
        /// bumper to the next car in the ego's path.
        #[serde(deserialize_with = "range::within_m")]
        within_m: f32,
    },
}

impl Display for Trigger {
    /// As a file says it.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At { at_s } => write!(formatter, "At(at_s: {at_s:?})"),
            Self::EgoAt { s_m } => write!(formatter, "EgoAt(s_m: {s_m:?})"),
            Self::EgoWithin { within_m } => write!(formatter, "EgoWithin(within_m: {within_m:?})"),
        }
    }
}

/// What triggers are held against in one decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TriggerInputs {
    pub clock: Clock,
    pub decision: u32,
    /// The ego's place along the road.
    pub ego_s_m: f32,
    /// The distance that [`Trigger::EgoWithin`] asks for, if there is one, with its sign.
    pub distance_m: Option<f32>,
    /// The same in the last decision.
    pub distance_before_m: Option<f32>,
}

impl Trigger {
    /// Whether what is waited for has come.
    pub(crate) fn fires(self, moment: &TriggerInputs) -> bool {
        match self {
            Self::At { at_s } => moment.decision >= moment.clock.decision_at(at_s),
            Self::EgoAt { s_m } => moment.ego_s_m >= s_m,
            Self::EgoWithin { within_m } => {
                let near = moment.distance_m.is_some_and(|distance_m| distance_m.abs() <= within_m);
                // Between two decisions a fast car may come near and be far again: its distance went through zero.
                let both = moment.distance_m.zip(moment.distance_before_m);
                near || both.is_some_and(|(now_m, before_m)| (now_m < 0.0) != (before_m < 0.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(decision: u32, distance_m: Option<f32>, distance_before_m: Option<f32>) -> TriggerInputs {
        TriggerInputs {
            clock: Clock::new(10.0),
            decision,
            ego_s_m: 0.1 * decision as f32,
            distance_m,
            distance_before_m,
        }
    }

    #[test]
    fn a_time_is_the_decision_nearest_to_it() {
        let first = |at_s| (0..100).find(|&decision| Trigger::At { at_s }.fires(&moment(decision, None, None)));
        for tenths in 0..90 {
            let at_s = format!("{}.{}", tenths / 10, tenths % 10).parse().unwrap();
            assert_eq!(first(at_s), Some(tenths), "{at_s} s");
        }
        assert_eq!(first(0.33), Some(3));
    }

    #[test]
    fn whoever_passes_within_one_decision_was_near() {
        for within_m in [0.0, 0.3, 0.6] {
            let near = Trigger::EgoWithin { within_m };
            let fires = |before_m, now_m| near.fires(&moment(1, Some(now_m), before_m));
            assert!(fires(Some(-0.69), 0.68) && fires(Some(0.68), -0.69), "passed by a place within {within_m} m");
            assert!(!fires(Some(-2.0), -0.7) && !fires(Some(0.7), 2.0) && !fires(None, 0.7), "{within_m} m");
            assert!(fires(None, within_m) && fires(Some(-9.0), -within_m), "{within_m} m");
            assert!(!near.fires(&moment(1, None, Some(-1.0))));
        }
        let come = |decision| Trigger::EgoAt { s_m: 0.5 }.fires(&moment(decision, None, None));
        assert!(!come(4) && come(5) && come(6));
    }
}
