//! One drive from start to verdict: a fleet of one that keeps its trace and its worst values.

use crate::clock::Clock;
use crate::fault::Perturbation;
use crate::fleet::{Fleet, FleetError, Observations};
use crate::outcome::expectations::{Expect, Extremes, Judgement, judge_drive};
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Verdict;
use crate::scenario::Build;
use crate::trace::{Trace, TraceRow, frame_digest};
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
    clock: Clock,
    trace: Trace,
    extremes: Extremes,
}

impl Episode {
    /// Builds the world and draws its first frame.
    ///
    /// # Errors
    /// [`FleetError`] if the scenario's parts do not fit together.
    pub fn new(scenario: impl Build) -> Result<Self, FleetError> {
        let (expect, clock) = (scenario.scenario().expect, Clock::new(scenario.scenario().decision_hz));
        let mut fleet = Fleet::new(vec![scenario], 1)?;
        let seen = fleet.observe();
        Ok(Self { fleet, seen, expect, clock, trace: Trace::default(), extremes: Extremes::default() })
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

    /// The drive held against its scenario's expectations of whoever drives; `None` while it goes on.
    #[must_use]
    pub fn judgement(&self) -> Option<Judgement> {
        self.judged_by(&self.expect)
    }

    /// The drive held against these expectations, such as [`Scenario::bounds`](crate::Scenario::bounds) has them for a class of
    /// drivers; `None` while it goes on.
    #[must_use]
    pub fn judged_by(&self, expect: &Expect) -> Option<Judgement> {
        let outcome = self.verdict().outcome?;
        Some(judge_drive(expect, outcome, self.score(), &self.extremes, self.clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::verdict::Outcome;
    use crate::scenario;
    use std::path::Path;

    #[test]
    fn a_slide_over_two_lanes_breaks_the_bound_of_the_lane_to_keep() {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 3.0, road: Straight(length_m: 400.0, lanes: 3), \
             ego: (lane: 0, s_m: 20.0, speed_mps: 12.0, heading_deg: 12.0, vehicle: (tyre_friction: 0.05)), \
             expect: (outcome: TimeUp, max_lane_offset_m: 1.76, max_nearest_lane_offset_m: 1.76))";
        let mut episode = Episode::new(scenario::parse(text, Path::new("t.ron")).unwrap()).unwrap();
        while episode.verdict().outcome.is_none() {
            episode.step(Controls::default());
        }
        let failures = episode.judgement().unwrap().failures(&[]);
        assert!(matches!(&failures[..], [one] if one.starts_with("max_lane_offset_m = 7.")), "{failures:?}");
    }

    /// How a drive without controls ends.
    fn outcome(text: &str) -> Option<Outcome> {
        let text = format!("Scenario(format: 1, title: \"t\", {text})");
        let mut episode = Episode::new(scenario::parse(&text, Path::new("t.ron")).unwrap()).unwrap();
        while episode.verdict().outcome.is_none() {
            episode.step(Controls::default());
        }
        episode.verdict().outcome
    }

    /// Steps from the longest to the shortest that a file may ask for.
    const STEPS: [(f32, u8); 7] = [(10.0, 1), (5.0, 2), (1.0, 10), (10.0, 2), (10.0, 4), (2.0, 20), (50.0, 20)];

    #[test]
    fn fast_cars_meet_head_on_whatever_the_step() {
        for (decision_hz, substeps) in STEPS {
            for start_m in 0..8 {
                let ended = outcome(&format!(
                    "duration_s: 3.0, decision_hz: {decision_hz:?}, substeps: {substeps}, \
                     road: Straight(length_m: 900.0, lanes: 1, speed_limit_mps: 60.0), \
                     ego: (s_m: 100.0, speed_mps: 60.0, vehicle: (top_speed_mps: 60.0, length_m: 1.0, wheelbase_m: 0.8)), \
                     actors: [(name: \"wrong way\", start: (lane: -1, s_m: {:?}, speed_mps: 60.0), \
                     script: [ChangeLane(when: At(at_s: 0.0), to_lane: 0, over_s: 0.2)])]",
                    340.0 + 1.7 * start_m as f32
                ));
                assert_eq!(ended, Some(Outcome::Collision), "{decision_hz} x {substeps}, {start_m}");
            }
        }
    }

    #[test]
    fn a_sign_is_hit_in_one_place_whatever_the_step() {
        // On ice along the right edge, the car straight, turned, and short.
        for (heading_deg, offset_m, length_m) in
            [(0.0, -2.15, 4.3), (0.0, -2.15, 1.0), (20.0, -2.15, 4.3), (-3.0, -1.6, 2.0)]
        {
            let drive = |decision_hz: f32, substeps: u8| {
                let text = format!(
                    "Scenario(format: 1, title: \"t\", seed: 5, duration_s: 14.0, \
                     decision_hz: {decision_hz:?}, substeps: {substeps}, \
                     road: Segments(segments: [Line(length_m: 800.0)], lane_width_m: 2.5, shoulder_m: 0.0, oncoming_lanes: 0), \
                     ego: (s_m: 5.0, speed_mps: 60.0, offset_m: {offset_m:?}, heading_deg: {heading_deg:?}, \
                     vehicle: (tyre_friction: 0.05, top_speed_mps: 60.0, length_m: {length_m:?}, wheelbase_m: 0.8)))"
                );
                let mut episode = Episode::new(scenario::parse(&text, Path::new("t.ron")).unwrap()).unwrap();
                while episode.verdict().outcome.is_none() {
                    episode.step(Controls::default());
                }
                let touched = episode.measures().contact.map(|contact| (contact.class, contact.index));
                (episode.verdict().outcome, touched)
            };
            let finest = drive(50.0, 20);
            for (decision_hz, substeps) in STEPS.into_iter().filter(|(decision_hz, _)| *decision_hz >= 10.0) {
                let found = drive(decision_hz, substeps);
                assert_eq!(found, finest, "{heading_deg} deg, {offset_m} m, {length_m} m, {decision_hz} x {substeps}");
            }
        }
    }

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
