//! One drive from start to verdict: a fleet of one that keeps its trace and its worst values.

use crate::fleet::{Fleet, FleetError, Observations};
use crate::outcome::expectations::{Judgement, judge_drive};
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Verdict;
use crate::scenario::{Expect, Perturbation, Scenario};
use crate::trace::{Extremes, Trace, TraceRow, frame_digest};
use crate::vehicle::Controls;

/// One drive.
///
/// # Example
/// ```
/// use roadproof_sim::{Controls, Episode, Outcome, parse};
/// let text = r#"Scenario(format: 1, title: "Full throttle", duration_s: 2.0, road: Straight(length_m: 300.0))"#;
/// let mut episode = Episode::new(parse(text, "example.ron".as_ref())?)?;
/// while episode.verdict().outcome.is_none() {
///     episode.step(Controls { throttle: 1.0, ..Controls::default() });
/// }
/// assert_eq!(episode.verdict().outcome, Some(Outcome::TimeUp));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Episode {
    fleet: Fleet,
    seen: Observations,
    expect: Expect,
    trace: Trace,
    extremes: Extremes,
}

impl Episode {
    /// Builds the world and draws its first frame.
    ///
    /// # Errors
    /// [`FleetError`] if the scenario's parts do not fit together.
    pub fn new(scenario: Scenario) -> Result<Self, FleetError> {
        let expect = scenario.expect;
        let mut fleet = Fleet::new(vec![scenario], 1)?;
        let seen = fleet.observe();
        Ok(Self { fleet, seen, expect, trace: Trace::default(), extremes: Extremes::default() })
    }

    /// One decision; does nothing once the drive has ended.
    pub fn step(&mut self, controls: Controls) {
        if self.verdict().outcome.is_some() {
            return;
        }
        self.fleet.step(&[controls], &mut self.seen);
        let seen = &self.seen;
        let measures = &seen.measures[0];
        self.extremes.note(measures);
        self.trace.rows.push(TraceRow {
            step: measures.step,
            controls,
            s_m: measures.ego.s_m,
            d_m: measures.ego.d_m,
            speed_mps: measures.ego.speed_mps,
            state_digest: self.fleet.state_digest(0),
            frame_digest: frame_digest(&seen.rgb, &seen.depth_m, &seen.class, &seen.instance),
        });
    }

    /// The world behind it, a fleet of one.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Replaces the sensor faults from the next decision on, as [`Fleet::set_perturbations`] does.
    pub fn set_perturbations(&mut self, perturbations: Vec<Perturbation>) {
        self.fleet.set_perturbations(0, perturbations);
    }

    /// Everything the world shows.
    #[must_use]
    pub fn seen(&self) -> &Observations {
        &self.seen
    }

    /// The frame as the driver gets it.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.seen.rgb
    }

    /// Ground truth now.
    #[must_use]
    pub fn measures(&self) -> &Measures {
        &self.seen.measures[0]
    }

    /// How the drive ended, once it has.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.seen.verdicts[0]
    }

    /// Score so far.
    #[must_use]
    pub fn score(&self) -> &Score {
        &self.seen.scores[0]
    }

    /// Decisions so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The drive held against its scenario's expectations; `None` while it goes on.
    #[must_use]
    pub fn judgement(&self) -> Option<Judgement> {
        let outcome = self.verdict().outcome?;
        Some(judge_drive(&self.expect, outcome, self.score(), &self.extremes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::verdict::Outcome;
    use crate::scenario;
    use std::path::Path;

    #[test]
    fn a_fast_car_meets_what_was_far_at_the_start_of_its_decision() {
        let drive = |decision_hz: f32, substeps: u8| {
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 4.0, decision_hz: {decision_hz:?}, substeps: {substeps}, \
                 road: Straight(length_m: 400.0), ego: (s_m: 20.0, speed_mps: 55.0), \
                 actors: [(name: \"stopped\", start: (lane: 0, s_m: 48.0, speed_mps: 0.0))])"
            );
            let mut episode = Episode::new(scenario::parse(&text, Path::new("t.ron")).unwrap()).unwrap();
            while episode.verdict().outcome.is_none() {
                episode.step(Controls::default());
            }
            episode.verdict().outcome
        };
        for (decision_hz, substeps) in [(1.0, 10), (1.0, 20), (2.0, 10), (10.0, 4)] {
            let outcome = drive(decision_hz, substeps);
            assert_eq!(outcome, Some(Outcome::Collision), "{decision_hz} decisions of {substeps} steps");
        }
    }
}
