//! The faults of one world: which act in a decision, and what they do to controls, to what the car senses, and to the frame.

use crate::camera::CameraSettings;
use crate::clock::Clock;
use crate::fault::car;
use crate::fault::filter::{self, Scratch, Size};
use crate::fault::frame::corrupt;
use crate::fault::kind::FaultKind;
use crate::fault::memory::{FrameMemory, Shot};
use crate::fault::perturbation::{Fault, Perturbation};
use crate::outcome::measures::Measures;
use crate::road::Road;
use crate::seed::{Purpose, Seed, Stream};
use crate::trigger::{Trigger, TriggerInputs};
use crate::vehicle::Controls;
use bevy::prelude::Component;
use std::collections::VecDeque;

/// The faults of one world, and what they remember from decision to decision.
#[derive(Component, Clone, Debug)]
pub(crate) struct FaultState {
    perturbations: Vec<Perturbation>,
    seed: Seed,
    clock: Clock,
    stream: Stream,
    /// What the driver got last, other faults included; kept as it is during a freeze.
    delivered: Vec<u8>,
    scratch: Scratch,
    /// One for each fault of the scenario, made when the first is needed.
    own: Vec<Own>,
    /// What the driver asked for last.
    asked: Controls,
}

/// What one fault remembers.
#[derive(Clone, Debug)]
struct Own {
    memory: FrameMemory,
    /// The decision in which its trigger fired.
    since: Option<u32>,
    waiting: VecDeque<Controls>,
}

impl FaultState {
    /// The memory of a fresh drive.
    pub fn new(perturbations: Vec<Perturbation>, seed: Seed, clock: Clock) -> Self {
        let (stream, scratch) = (seed.stream(Purpose::Fault), Scratch::default());
        Self {
            perturbations,
            seed,
            clock,
            stream,
            delivered: Vec::new(),
            scratch,
            own: Vec::new(),
            asked: Controls::default(),
        }
    }

    /// Finds out which triggers have fired. Comes first in each decision.
    pub fn watch(&mut self, measures: &Measures) {
        for index in self.own.len()..self.perturbations.len() {
            let memory = FrameMemory::new(self.seed, index);
            self.own.push(Own { memory, since: None, waiting: VecDeque::new() });
        }
        let moment = TriggerInputs {
            clock: self.clock,
            decision: measures.step,
            ego_s_m: measures.ego.s_m,
            distance_m: measures.gap_m,
            // A gap does not go through zero: what has been passed is no longer ahead.
            distance_before_m: None,
        };
        for (own, perturbation) in self.own.iter_mut().zip(&self.perturbations) {
            if perturbation.when.is_some_and(|when| when.fires(&moment)) {
                own.since.get_or_insert(measures.step);
            }
        }
    }

    /// What the faults wait for that have not begun, by their place in the file.
    pub fn waits_for(&self) -> impl Iterator<Item = (usize, Trigger)> + '_ {
        let fired = |index: usize| self.own.get(index).is_some_and(|own| own.since.is_some());
        let all = self.perturbations.iter().enumerate();
        all.filter(move |(index, _)| !fired(*index)).filter_map(|(index, fault)| Some((index, fault.when?)))
    }

    /// Puts other faults in their places: those that were there before, in the same place of the list, go on, others begin afresh.
    pub fn set_perturbations(&mut self, perturbations: Vec<Perturbation>) {
        let pairs = self.perturbations.iter().zip(&perturbations);
        self.own.truncate(pairs.take_while(|(before, after)| before == after).count());
        self.perturbations = perturbations;
    }

    /// The faults that act in this decision, in file order.
    fn active(&self, decision: u32) -> Vec<(usize, Fault)> {
        let acts = |(index, perturbation): (usize, &Perturbation)| {
            let since = match perturbation.when {
                None => 0,
                Some(_) => self.own.get(index)?.since?,
            };
            let in_span = perturbation.during_s.contains(self.clock, decision.checked_sub(since)?);
            in_span.then_some((index, perturbation.fault))
        };
        self.perturbations.iter().enumerate().filter_map(acts).collect()
    }

    /// What becomes of the driver's controls in a decision.
    pub fn command(&mut self, decision: u32, mut controls: Controls) -> Controls {
        let before = std::mem::replace(&mut self.asked, controls);
        let active = self.active(decision);
        for (index, own) in self.own.iter_mut().enumerate() {
            let severity = active.iter().find_map(|(active, fault)| match fault {
                Fault::Graded { kind: FaultKind::ControlDelay, severity } if *active == index => Some(*severity),
                _ => None,
            });
            match severity {
                Some(severity) => controls = car::delay(&mut own.waiting, severity, before, controls),
                // Controls in step again: nothing waits.
                None => own.waiting.clear(),
            }
        }
        controls
    }

    /// What the car itself takes for its movement, its steering angle and its place.
    pub fn sense(&mut self, measures: &Measures, road: &Road) -> Measures {
        let mut sensed = *measures;
        for (index, fault) in self.active(measures.step) {
            let Fault::Graded { kind, severity } = fault else { continue };
            let memory = &mut self.own[index].memory;
            match kind {
                FaultKind::SpeedNoise => car::speed_noise(&mut sensed, severity, memory),
                FaultKind::SpeedBias => car::speed_bias(&mut sensed, severity),
                FaultKind::LocalisationNoise => car::place_noise(&mut sensed, road, severity, memory),
                FaultKind::LocalisationBias => car::place_bias(&mut sensed, road, severity, memory),
                FaultKind::YawRateNoise => car::yaw_rate_noise(&mut sensed, severity, memory),
                FaultKind::YawRateBias => car::yaw_rate_bias(&mut sensed, severity, memory),
                FaultKind::AccelerationNoise => car::acceleration_noise(&mut sensed, severity, memory),
                FaultKind::AccelerationBias => car::acceleration_bias(&mut sensed, severity, memory),
                FaultKind::SteeringNoise => car::steering_noise(&mut sensed, severity, memory),
                FaultKind::SteeringBias => car::steering_bias(&mut sensed, severity, memory),
                _ => {}
            }
        }
        sensed
    }

    /// What becomes of the frame of a decision; every fault that acts in it, in file order.
    ///
    /// # Shapes
    /// - `rgb`: `height × width × 3`; `depth_m`: `height × width`
    pub fn apply(&mut self, decision: u32, camera: &CameraSettings, rgb: &mut [u8], depth_m: &[f32]) {
        if self.perturbations.is_empty() {
            return;
        }
        let active = self.active(decision);
        let (clock, time_s) = (self.clock, self.clock.time_s(decision));
        let size = Size { width: usize::from(camera.width_px), height: usize::from(camera.height_px) };
        for &(index, fault) in &active {
            match fault {
                Fault::Noise { sigma } => add_noise(&mut self.stream, sigma, rgb),
                Fault::Blur { sigma_px } => filter::gaussian_blur(size, sigma_px, rgb, &mut self.scratch),
                Fault::Dropped { probability } => {
                    if self.stream.chance(probability) {
                        rgb.fill(0);
                    }
                }
                // A fault from the first frame on has nothing to repeat but that frame.
                Fault::Frozen {} if self.delivered.is_empty() => self.delivered.extend_from_slice(rgb),
                Fault::Frozen {} => rgb.copy_from_slice(&self.delivered),
                Fault::Graded { kind, severity } => {
                    let focal_px = camera.focal_px();
                    let mut shot = Shot { size, rgb: &mut *rgb, depth_m, focal_px, clock, time_s };
                    corrupt(&mut shot, kind, severity, &mut self.own[index].memory);
                }
            }
        }
        if !active.iter().any(|(_, fault)| matches!(fault, Fault::Frozen {})) {
            self.delivered.clear();
            self.delivered.extend_from_slice(rgb);
        }
    }
}

/// Adds normal noise; sums of four bytes of random bits are close enough to normal and many times cheaper to draw.
fn add_noise(stream: &mut Stream, sigma: f32, rgb: &mut [u8]) {
    // Variance of a uniform byte is (256² − 1) / 12; of four of them, four times that.
    const FOUR_BYTES_SIGMA: f32 = 147.8;
    let scale = sigma / FOUR_BYTES_SIGMA;
    for pair in rgb.chunks_mut(2) {
        let bits = stream.bits().to_le_bytes();
        for (value, bytes) in pair.iter_mut().zip(bits.chunks_exact(4)) {
            let sum: i32 = bytes.iter().map(|byte| i32::from(*byte)).sum();
            *value = (f32::from(*value) + (sum - 510) as f32 * scale).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Span;
    use crate::fault::kind::Severity;

    fn during(fault: Fault) -> [Perturbation; 1] {
        [Perturbation { during_s: Span(1.0, 2.0), when: None, fault }]
    }

    fn camera(width_px: u16, height_px: u16) -> CameraSettings {
        CameraSettings { width_px, height_px, ..CameraSettings::default() }
    }

    /// The faults of a drive with ten decisions a second.
    fn fresh(faults: &[Perturbation]) -> FaultState {
        FaultState::new(faults.to_vec(), Seed(1), Clock::new(10.0))
    }

    fn apply(state: &mut FaultState, time_s: f32, rgb: &mut [u8]) {
        let step = state.clock.decision_at(time_s);
        state.watch(&Measures { step, ..Measures::default() });
        state.apply(step, &camera(5, 4), rgb, &[]);
    }

    #[test]
    fn faults_act_only_in_their_span() {
        for fault in [
            Fault::Noise { sigma: 20.0 },
            Fault::Blur { sigma_px: 1.0 },
            Fault::Dropped { probability: 1.0 },
            Fault::Frozen {},
        ] {
            let mut state = fresh(&during(fault));
            let clean: Vec<u8> = (0..60).map(|value| value * 4).collect();
            let mut before = clean.clone();
            apply(&mut state, 0.5, &mut before);
            assert_eq!(before, clean, "{fault:?} before its span");
            let mut inside: Vec<u8> = clean.iter().rev().copied().collect();
            let given = inside.clone();
            apply(&mut state, 1.5, &mut inside);
            assert_ne!(inside, given, "{fault:?} in its span");
            if fault == (Fault::Frozen {}) {
                assert_eq!(inside, clean);
            }
            let mut after = given.clone();
            apply(&mut state, 2.0, &mut after);
            assert_eq!(after, given, "{fault:?} after its span");
        }
    }

    #[test]
    fn a_freeze_repeats_what_the_driver_got() {
        let during = |from_s, to_s, fault| Perturbation { during_s: Span(from_s, to_s), when: None, fault };
        let faults = [during(0.0, 1.0, Fault::Noise { sigma: 40.0 }), during(1.0, 3.0, Fault::Frozen {})];
        let mut state = fresh(&faults);
        let mut got = vec![128; 60];
        apply(&mut state, 0.5, &mut got);
        assert_ne!(got, vec![128; 60]);
        for time_s in [1.5, 2.5] {
            let mut frozen = vec![7; 60];
            apply(&mut state, time_s, &mut frozen);
            assert_eq!(frozen, got, "at {time_s} s");
        }
        let mut after = vec![7; 60];
        apply(&mut state, 3.5, &mut after);
        assert_eq!(after, vec![7; 60]);
    }

    #[test]
    fn noise_has_the_sigma_it_says_and_blur_keeps_the_mean() {
        let mut rgb = vec![128_u8; 30_000];
        add_noise(&mut Seed(2).stream(Purpose::Fault), 12.0, &mut rgb);
        let deviation: Vec<f32> = rgb.iter().map(|value| f32::from(*value) - 128.0).collect();
        let sigma = (deviation.iter().map(|d| d * d).sum::<f32>() / 30_000.0).sqrt();
        assert!((sigma - 12.0).abs() < 0.4, "{sigma}");
        let mean = |rgb: &[u8]| rgb.iter().map(|value| f32::from(*value)).sum::<f32>() / rgb.len() as f32;
        let before = mean(&rgb);
        filter::gaussian_blur(Size { width: 100, height: 100 }, 1.5, &mut rgb, &mut Scratch::default());
        assert!((mean(&rgb) - before).abs() < 0.3);
    }

    #[test]
    fn a_trigger_starts_the_span() {
        let fault = Fault::Graded { kind: FaultKind::WhiteFrames, severity: Severity::ALL[4] };
        let when = Some(crate::trigger::Trigger::EgoWithin { within_m: 20.0 });
        let faults = [Perturbation { during_s: Span(0.5, 1.0), when, fault }];
        let mut state = fresh(&faults);
        let mut white = Vec::new();
        for decision in 0..40 {
            // Near at 1 s, and far again from 1.2 s on.
            let gap_m = if (10..12).contains(&decision) { Some(15.0) } else { Some(50.0) };
            state.watch(&Measures { step: decision, gap_m, ..Measures::default() });
            let mut rgb = vec![7; 60];
            state.apply(decision, &camera(5, 4), &mut rgb, &[]);
            if rgb[0] == 255 {
                white.push(decision);
            }
        }
        assert_eq!(white, [15, 16, 17, 18, 19]);
    }

    #[test]
    fn spans_and_covers_are_counted_in_decisions() {
        let covered = |during_s, when, kind, severity, decision_hz| {
            let fault = Fault::Graded { kind, severity: Severity::new(severity).unwrap() };
            let faults = [Perturbation { during_s, when, fault }];
            let mut state = FaultState::new(faults.to_vec(), Seed(1), Clock::new(decision_hz));
            let level = if kind == FaultKind::BlackFrames { 0 } else { 255 };
            let decisions = (0..120).filter(|&step| {
                state.watch(&Measures { step, ..Measures::default() });
                let mut rgb = vec![7; 60];
                state.apply(step, &camera(5, 4), &mut rgb, &[]);
                rgb[0] == level
            });
            decisions.collect::<Vec<u32>>()
        };
        let at = Some(crate::trigger::Trigger::At { at_s: 4.0 });
        assert_eq!(covered(Span(0.0, 1.6), at, FaultKind::WhiteFrames, 5, 10.0), (40..56).collect::<Vec<_>>());
        assert_eq!(covered(Span(0.2, 1.0), None, FaultKind::WhiteFrames, 5, 25.0), (5..25).collect::<Vec<_>>());
        let tens: Vec<u32> = (0..120).step_by(10).collect();
        assert_eq!(covered(Span(0.0, 99.0), None, FaultKind::BlackFrames, 1, 10.0), tens);
    }

    #[test]
    fn controls_act_late_and_a_biased_speed_is_too_high() {
        let graded = |kind, severity: u8| {
            let fault = Fault::Graded { kind, severity: Severity::new(severity).unwrap() };
            [Perturbation { during_s: Span(0.0, 100.0), when: None, fault }]
        };
        let mut state = fresh(&graded(FaultKind::ControlDelay, 3));
        state.watch(&Measures::default());
        let steer = |step: usize| Controls { steer: 0.1 * step as f32, ..Controls::default() };
        let act = |state: &mut FaultState, step: usize, decision| state.command(decision, steer(step)).steer;
        assert_eq!(act(&mut state, 5, 2000), steer(5).steer, "in time outside of the span");
        let acted: Vec<f32> = (6..12).map(|step| act(&mut state, step, 0)).collect();
        assert_eq!(acted, [5, 5, 5, 6, 7, 8].map(|step| steer(step).steer));
        assert_eq!(act(&mut state, 12, 2000), steer(12).steer, "and in time again");
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let road = crate::parse(text, "t.ron".as_ref()).unwrap().road().clone();
        let mut measures = Measures::default();
        measures.ego.speed_mps = 10.0;
        for (kind, least, most) in [(FaultKind::SpeedBias, 10.9, 11.1), (FaultKind::LocalisationBias, 10.0, 10.0)] {
            let mut state = fresh(&graded(kind, 3));
            state.watch(&measures);
            let sensed = state.sense(&measures, &road);
            assert!((least..=most).contains(&sensed.ego.speed_mps), "{kind:?}: {}", sensed.ego.speed_mps);
            assert_eq!(kind == FaultKind::LocalisationBias, sensed.lane_offset_m.abs() == 0.35);
        }
    }

    #[test]
    fn each_sensor_is_wrong_by_what_its_severity_says_and_no_other_is() {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let road = crate::parse(text, "t.ron".as_ref()).unwrap().road().clone();
        let read = |measures: &Measures| {
            let ego = &measures.ego;
            [ego.yaw_rate_rad_per_s, ego.acceleration_mps2, ego.steer_rad, ego.slope, ego.speed_mps]
        };
        let mut truth = Measures::default();
        truth.ego.speed_mps = 10.0;
        // What each is off by at the severities 1 and 5, of yaw rate, acceleration, steering angle, slope and speed.
        let cases = [
            (FaultKind::YawRateBias, FaultKind::YawRateNoise, 0, [0.005, 0.08]),
            (FaultKind::AccelerationBias, FaultKind::AccelerationNoise, 1, [0.2, 2.0]),
            (FaultKind::SteeringBias, FaultKind::SteeringNoise, 2, [0.0027, 0.027]),
        ];
        for ((bias, noise, place, sizes), (severity, index)) in
            cases.into_iter().flat_map(|case| [(case, (1, 0)), (case, (5, 1))])
        {
            let size: f32 = sizes[index];
            let mut errors = |kind| -> Vec<[f32; 5]> {
                let fault = Fault::Graded { kind, severity: Severity::new(severity).unwrap() };
                let mut state = fresh(&[Perturbation { during_s: Span(0.0, 1000.0), when: None, fault }]);
                let sense = |step| {
                    truth.step = step;
                    state.watch(&truth);
                    let sensed = state.sense(&truth, &road);
                    std::array::from_fn(|index| read(&sensed)[index] - read(&truth)[index])
                };
                (0..2000).map(sense).collect()
            };
            let biased = errors(bias);
            assert!(biased.iter().all(|error| *error == biased[0]) && (biased[0][place].abs() - size).abs() < 1e-6);
            let noisy = errors(noise);
            let sigma = (noisy.iter().map(|error| error[place].powi(2)).sum::<f32>() / 2000.0).sqrt();
            assert!((sigma - size).abs() < 0.1 * size, "{noise:?}: {sigma}");
            for error in biased.iter().chain(&noisy) {
                for (other, error_of_other) in error.iter().enumerate().filter(|(other, _)| *other != place) {
                    // The slope is told from the accelerometer.
                    let meant = if (place, other) == (1, 3) { error[1] / 9.81 } else { 0.0 };
                    assert!((error_of_other - meant).abs() < 1e-6, "{bias:?}, {noise:?}: {other}");
                }
            }
        }
    }
}
