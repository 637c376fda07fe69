//! Sensor faults: what goes wrong between the scene and the driver, replayable from the scenario alone.
//!
//! Faults know pixels, depth and time, and no model. What they draw at random comes from the scenario's seed and, for the graded
//! ones, the fault's place in the list, so that the same scenario suffers the same to the bit. What is on the lens or broken in the sensor stays
//! the same for a whole drive; noise, rain and snow differ from frame to frame.
//!
//! Each graded fault has a random stream of its own: what stays is drawn again from the same start in each frame or
//! kept, what moves goes on. What the car itself measures comes out as
//! [`Observations::sensed`](crate::Observations::sensed), ground truth with the faults of speedometer and map; drivers
//! read that, rewards and scores the truth.
//!
//! What each costs, and how far the 19 corruptions agree with another implementation (`tests/referee/corruptions.py`,
//! which runs by hand where that is installed, never in the gate), stands in `assets/results/faults.md`.

mod car;
mod filter;
mod frame;
mod kind;
mod recorded;
mod state;

pub(crate) use kind::did_you_mean;
pub use kind::{FaultKind, Group, Severity};
pub use recorded::{Recorded, RecordedError, Recording};

use crate::camera::CameraSettings;
use crate::clock::Clock;
use crate::outcome::measures::Measures;
use crate::range;
use crate::road::Road;
use crate::scenario::Perturbation;
use crate::seed::{Purpose, Seed, Stream};
use crate::trigger::Moment;
use crate::vehicle::Controls;
use filter::{Scratch, Size};
use frame::sensor::{self, Defect};
use frame::{corruption, geometry, lens, timing, weather};
use serde::{Deserialize, Serialize};
use state::{Memory, Shot};
use std::collections::VecDeque;

/// Something that goes wrong between the lens and the driver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// Gaussian noise on every channel.
    Noise {
        /// Standard deviation in grey levels, 0 to 255.
        #[serde(deserialize_with = "range::sigma")]
        sigma: f32,
    },
    /// Gaussian blur, edges continued.
    Blur {
        /// Standard deviation.
        #[serde(deserialize_with = "range::sigma_px")]
        sigma_px: f32,
    },
    /// Frames are lost: the driver gets black ones.
    Dropped {
        /// Chance of each frame to be lost.
        #[serde(deserialize_with = "range::probability")]
        probability: f32,
    },
    /// The driver gets the last frame it got before the fault again and again.
    Frozen {},
    /// One of the faults that come in five severities.
    Graded {
        /// Which.
        kind: FaultKind,
        /// How strong, 1 to 5.
        severity: Severity,
    },
}

/// What faults remember from decision to decision.
#[derive(Clone, Debug)]
pub(crate) struct FaultState {
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
    memory: Memory,
    /// The decision in which its trigger fired.
    since: Option<u32>,
    waiting: VecDeque<Controls>,
}

impl FaultState {
    /// The memory of a fresh drive.
    pub fn new(seed: Seed, clock: Clock) -> Self {
        let (stream, scratch) = (seed.stream(Purpose::Fault), Scratch::default());
        Self { seed, clock, stream, delivered: Vec::new(), scratch, own: Vec::new(), asked: Controls::default() }
    }

    /// Finds out which triggers have fired. Comes first in each decision.
    pub fn watch(&mut self, perturbations: &[Perturbation], measures: &Measures) {
        for index in self.own.len()..perturbations.len() {
            let memory = Memory::new(self.seed, index);
            self.own.push(Own { memory, since: None, waiting: VecDeque::new() });
        }
        let moment = Moment {
            clock: self.clock,
            decision: measures.step,
            ego_s_m: measures.ego.s_m,
            distance_m: measures.gap_m,
            // A gap does not go through zero: what has been passed is no longer ahead.
            distance_before_m: None,
        };
        for (own, perturbation) in self.own.iter_mut().zip(perturbations) {
            if perturbation.when.is_some_and(|when| when.fires(&moment)) {
                own.since.get_or_insert(measures.step);
            }
        }
    }

    /// Forgets all faults but the first few, because others take their places.
    pub fn keep(&mut self, first: usize) {
        self.own.truncate(first);
    }

    /// The faults that act in this decision, in file order.
    fn active(&self, perturbations: &[Perturbation], decision: u32) -> Vec<(usize, Fault)> {
        let acts = |(index, perturbation): (usize, &Perturbation)| {
            let since = match perturbation.when {
                None => 0,
                Some(_) => self.own.get(index)?.since?,
            };
            let in_span = perturbation.during_s.contains(self.clock, decision.checked_sub(since)?);
            in_span.then_some((index, perturbation.fault))
        };
        perturbations.iter().enumerate().filter_map(acts).collect()
    }

    /// What becomes of the driver's controls in a decision.
    pub fn command(&mut self, perturbations: &[Perturbation], decision: u32, mut controls: Controls) -> Controls {
        let before = std::mem::replace(&mut self.asked, controls);
        let active = self.active(perturbations, decision);
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

    /// What the car itself takes for its speed and its place.
    pub fn sense(&mut self, perturbations: &[Perturbation], measures: &Measures, road: &Road) -> Measures {
        let mut sensed = *measures;
        for (index, fault) in self.active(perturbations, measures.step) {
            let Fault::Graded { kind, severity } = fault else { continue };
            let memory = &mut self.own[index].memory;
            match kind {
                FaultKind::SpeedNoise => car::speed_noise(&mut sensed, severity, memory),
                FaultKind::SpeedBias => car::speed_bias(&mut sensed, severity),
                FaultKind::LocalisationNoise => car::place_noise(&mut sensed, road, severity, memory),
                FaultKind::LocalisationBias => car::place_bias(&mut sensed, road, severity, memory),
                _ => {}
            }
        }
        sensed
    }

    /// What becomes of the frame of a decision; every fault that acts in it, in file order.
    ///
    /// # Shapes
    /// - `rgb`: `height × width × 3`; `depth_m`: `height × width`
    pub fn apply(
        &mut self,
        perturbations: &[Perturbation],
        decision: u32,
        camera: &CameraSettings,
        rgb: &mut [u8],
        depth_m: &[f32],
    ) {
        if perturbations.is_empty() {
            return;
        }
        let active = self.active(perturbations, decision);
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

/// One fault on frames that belong to no drive: for augmentation and for pictures.
#[derive(Clone, Debug)]
pub struct FrameFault {
    kind: FaultKind,
    severity: Severity,
    memory: Memory,
}

impl FrameFault {
    /// A fault whose random numbers come from `seed`.
    #[must_use]
    pub fn new(kind: FaultKind, severity: Severity, seed: Seed) -> Self {
        Self { kind, severity, memory: Memory::new(seed, 0) }
    }

    /// Changes the next frame.
    ///
    /// # Shapes
    /// - `rgb`: `height × width × 3` of the camera; `depth_m`: `height × width`, or empty where depth is not known
    ///
    /// # Panics
    /// If the frame is not of the camera's size.
    pub fn apply(&mut self, camera: &CameraSettings, time_s: f32, rgb: &mut [u8], depth_m: &[f32]) {
        let size = Size { width: usize::from(camera.width_px), height: usize::from(camera.height_px) };
        assert_eq!(rgb.len(), 3 * size.pixels(), "a frame of the camera's size");
        // No drive, so no decisions: what follows the time does so to the millisecond.
        let clock = Clock::new(1000.0);
        let mut shot = Shot { size, rgb, depth_m, focal_px: camera.focal_px(), clock, time_s };
        corrupt(&mut shot, self.kind, self.severity, &mut self.memory);
    }
}

fn corrupt(shot: &mut Shot<'_>, kind: FaultKind, severity: Severity, memory: &mut Memory) {
    match kind {
        FaultKind::GaussianNoise => corruption::gaussian_noise(shot, severity, memory),
        FaultKind::ShotNoise => corruption::shot_noise(shot, severity, memory),
        FaultKind::ImpulseNoise => corruption::impulse_noise(shot, severity, memory),
        FaultKind::SpeckleNoise => corruption::speckle_noise(shot, severity, memory),
        FaultKind::GaussianBlur => corruption::blur(shot, severity, memory),
        FaultKind::DefocusBlur => corruption::defocus(shot, severity, memory),
        FaultKind::GlassBlur => corruption::glass(shot, severity, memory),
        FaultKind::MotionBlur => corruption::motion(shot, severity, memory),
        FaultKind::ZoomBlur => corruption::zoom(shot, severity, memory),
        FaultKind::Fog => corruption::fog(shot, severity, memory),
        FaultKind::Frost => corruption::frost(shot, severity, memory),
        FaultKind::Snow => corruption::snow(shot, severity, memory),
        FaultKind::Spatter => corruption::spatter(shot, severity, memory),
        FaultKind::Contrast => corruption::contrast(shot, severity),
        FaultKind::Brightness => corruption::brightness(shot, severity),
        FaultKind::Saturate => corruption::saturate(shot, severity),
        FaultKind::JpegCompression => corruption::jpeg(shot, severity),
        FaultKind::Pixelate => corruption::pixelate(shot, severity),
        FaultKind::ElasticTransform => corruption::elastic(shot, severity, memory),
        FaultKind::DroppedFrames => timing::dropped(shot, severity, memory),
        FaultKind::BurstDrops => timing::bursts(shot, severity, memory),
        FaultKind::FrozenFrames => timing::frozen(shot, severity, memory),
        FaultKind::DelayedFrames => timing::delayed(shot, severity, memory),
        FaultKind::ReorderedFrames => timing::reordered(shot, severity, memory),
        FaultKind::BlackFrames => timing::covered(shot, severity, 0),
        FaultKind::WhiteFrames => timing::covered(shot, severity, 255),
        FaultKind::HalfFrame => sensor::half_frame(shot, severity),
        FaultKind::DeadPixels => sensor::defects(shot, severity, memory, Defect::Dead),
        FaultKind::StuckPixels => sensor::defects(shot, severity, memory, Defect::Stuck),
        FaultKind::HotPixels => sensor::defects(shot, severity, memory, Defect::Hot),
        FaultKind::DeadLines => sensor::dead_lines(shot, severity, memory),
        FaultKind::Banding => sensor::banding(shot, severity),
        FaultKind::ColourQuantisation => sensor::quantised(shot, severity),
        FaultKind::ExposureJump => sensor::exposure(shot, severity),
        FaultKind::LowLight => sensor::low_light(shot, severity, memory),
        FaultKind::IsoNoise => sensor::iso_noise(shot, severity, memory),
        FaultKind::RollingShutter => sensor::rolling_shutter(shot, severity, memory),
        FaultKind::LensDirt => lens::dirt(shot, severity, memory),
        FaultKind::Mud => lens::mud(shot, severity, memory),
        FaultKind::WaterDrops => lens::drops(shot, severity, memory),
        FaultKind::Ice => lens::ice(shot, severity, memory),
        FaultKind::Condensation => lens::condensation(shot, severity, memory),
        FaultKind::Crack => lens::crack(shot, severity, memory),
        FaultKind::ChromaticAberration => lens::chromatic(shot, severity, memory),
        FaultKind::Vignetting => lens::vignetting(shot, severity, memory),
        FaultKind::SunFlare => weather::flare(shot, severity, memory),
        FaultKind::DepthFog => weather::depth_fog(shot, severity),
        FaultKind::Rain => weather::rain(shot, severity, memory),
        FaultKind::CameraRotation => geometry::rotation(shot, severity, memory),
        FaultKind::CameraShift => geometry::shift(shot, severity, memory),
        FaultKind::IntrinsicDrift => geometry::intrinsics(shot, severity, memory),
        FaultKind::ControlDelay
        | FaultKind::SpeedNoise
        | FaultKind::SpeedBias
        | FaultKind::LocalisationNoise
        | FaultKind::LocalisationBias => {}
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
    use crate::scenario::Span;

    fn during(fault: Fault) -> [Perturbation; 1] {
        [Perturbation { during_s: Span(1.0, 2.0), when: None, fault }]
    }

    fn camera(width_px: u16, height_px: u16) -> CameraSettings {
        CameraSettings { width_px, height_px, ..CameraSettings::default() }
    }

    /// The faults of a drive with ten decisions a second.
    fn fresh() -> FaultState {
        FaultState::new(Seed(1), Clock::new(10.0))
    }

    fn apply(state: &mut FaultState, faults: &[Perturbation], time_s: f32, rgb: &mut [u8]) {
        let step = state.clock.decision_at(time_s);
        state.watch(faults, &Measures { step, ..Measures::default() });
        state.apply(faults, step, &camera(5, 4), rgb, &[]);
    }

    #[test]
    fn faults_act_only_in_their_span() {
        for fault in [
            Fault::Noise { sigma: 20.0 },
            Fault::Blur { sigma_px: 1.0 },
            Fault::Dropped { probability: 1.0 },
            Fault::Frozen {},
        ] {
            let mut state = fresh();
            let clean: Vec<u8> = (0..60).map(|value| value * 4).collect();
            let mut before = clean.clone();
            apply(&mut state, &during(fault), 0.5, &mut before);
            assert_eq!(before, clean, "{fault:?} before its span");
            let mut inside: Vec<u8> = clean.iter().rev().copied().collect();
            let given = inside.clone();
            apply(&mut state, &during(fault), 1.5, &mut inside);
            assert_ne!(inside, given, "{fault:?} in its span");
            if fault == (Fault::Frozen {}) {
                assert_eq!(inside, clean);
            }
        }
    }

    #[test]
    fn a_freeze_repeats_what_the_driver_got() {
        let during = |from_s, to_s, fault| Perturbation { during_s: Span(from_s, to_s), when: None, fault };
        let faults = [during(0.0, 1.0, Fault::Noise { sigma: 40.0 }), during(1.0, 3.0, Fault::Frozen {})];
        let mut state = fresh();
        let mut got = vec![128; 60];
        apply(&mut state, &faults, 0.5, &mut got);
        assert_ne!(got, vec![128; 60]);
        for time_s in [1.5, 2.5] {
            let mut frozen = vec![7; 60];
            apply(&mut state, &faults, time_s, &mut frozen);
            assert_eq!(frozen, got, "at {time_s} s");
        }
        let mut after = vec![7; 60];
        apply(&mut state, &faults, 3.5, &mut after);
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

    /// A frame with something of everything, and its depth.
    fn frame(width: usize, height: usize) -> (Vec<u8>, Vec<f32>) {
        let level =
            |x: usize, y: usize, channel: usize| ((x * 7 + y * 11 + channel * 12 + (x / 6 % 2) * 90) % 230) as u8;
        let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = places().flat_map(|(x, y)| [0, 1, 2].map(|channel| level(x, y, channel))).collect();
        (rgb, places().map(|(_, y)| 100.0 / (1.0 + y as f32)).collect())
    }

    fn mean_change(a: &[u8], b: &[u8]) -> f32 {
        a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn every_picture_fault_changes_frames_more_with_severity_and_the_same_way_again() {
        let camera = camera(84, 84);
        let (clean, depth_m) = frame(84, 84);
        for &kind in FaultKind::ALL.iter().filter(|kind| kind.group() != Group::Vehicle) {
            let suffered = |severity| {
                let mut fault = FrameFault::new(kind, severity, Seed(5));
                let frames = (0..40).map(|decision| {
                    let mut rgb = clean.clone();
                    // Frames differ, or a late one could not be told from one in time.
                    rgb.rotate_left(3 * decision);
                    let moved = rgb.clone();
                    fault.apply(&camera, 0.1 * decision as f32, &mut rgb, &depth_m);
                    (mean_change(&rgb, &moved), rgb)
                });
                frames.collect::<Vec<_>>()
            };
            let change = |severity| suffered(severity).iter().map(|(change, _)| change).sum::<f32>();
            let (weakest, strongest) = (change(Severity::ALL[0]), change(Severity::ALL[4]));
            // As published, the first severities of this one bend the whole picture and the last ones ripple it.
            let graded = kind == FaultKind::ElasticTransform || strongest > weakest;
            assert!(weakest > 0.0 && graded, "{kind:?}: {weakest} to {strongest}");
            assert!(suffered(Severity::ALL[2]) == suffered(Severity::ALL[2]), "{kind:?} differs from run to run");
        }
    }

    /// Sides below which the weakest of a published blur, scaled to the frame, are narrower than a pixel.
    const TOO_NARROW: [(FaultKind, usize); 3] =
        [(FaultKind::GaussianBlur, 70), (FaultKind::DefocusBlur, 48), (FaultKind::MotionBlur, 32)];

    #[test]
    fn every_picture_fault_changes_frames_in_every_severity() {
        for side in [8, 16, 32, 48, 70, 84, 200] {
            let (clean, depth_m) = frame(side, side);
            let camera = CameraSettings::square(side as u16);
            let changes = |kind, severity, depth_m: &[f32]| {
                let mut fault = FrameFault::new(kind, severity, Seed(5));
                (0..40).any(|decision| {
                    let mut rgb = clean.clone();
                    // Frames differ, or a late one could not be told from one in time.
                    rgb.rotate_left(3 * decision);
                    let moved = rgb.clone();
                    fault.apply(&camera, 0.1 * decision as f32, &mut rgb, depth_m);
                    rgb != moved
                })
            };
            let shows = |kind: FaultKind| !TOO_NARROW.iter().any(|&(narrow, below)| narrow == kind && side < below);
            let of_pictures = FaultKind::ALL.iter().filter(|kind| kind.group() != Group::Vehicle && shows(**kind));
            let idle: Vec<_> = of_pictures
                .flat_map(|&kind| Severity::ALL.map(|severity| (kind, severity)))
                .filter(|&(kind, severity)| !changes(kind, severity, &depth_m) || !changes(kind, severity, &[]))
                .collect();
            assert!(idle.is_empty(), "{side} x {side}: {idle:?}");
        }
    }

    #[test]
    fn every_fault_takes_frames_of_any_size() {
        for (width, height) in [(1, 1), (2, 2), (1, 40), (8, 8), (9, 31), (64, 8)] {
            let (clean, depth_m) = frame(width, height);
            for &kind in FaultKind::ALL {
                for (severity, depth_m) in [(Severity::ALL[0], &depth_m[..]), (Severity::ALL[4], &[])] {
                    let mut fault = FrameFault::new(kind, severity, Seed(9));
                    (0..4).for_each(|_| {
                        fault.apply(&camera(width as u16, height as u16), 0.3, &mut clean.clone(), depth_m);
                    });
                }
            }
        }
    }

    #[test]
    fn a_trigger_starts_the_span() {
        let fault = Fault::Graded { kind: FaultKind::WhiteFrames, severity: Severity::ALL[4] };
        let when = Some(crate::trigger::Trigger::EgoWithin { within_m: 20.0 });
        let faults = [Perturbation { during_s: Span(0.5, 1.0), when, fault }];
        let mut state = fresh();
        let mut white = Vec::new();
        for decision in 0..40 {
            // Near at 1 s, and far again from 1.2 s on.
            let gap_m = if (10..12).contains(&decision) { Some(15.0) } else { Some(50.0) };
            state.watch(&faults, &Measures { step: decision, gap_m, ..Measures::default() });
            let mut rgb = vec![7; 60];
            state.apply(&faults, decision, &camera(5, 4), &mut rgb, &[]);
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
            let mut state = FaultState::new(Seed(1), Clock::new(decision_hz));
            let level = if kind == FaultKind::BlackFrames { 0 } else { 255 };
            let decisions = (0..120).filter(|&step| {
                state.watch(&faults, &Measures { step, ..Measures::default() });
                let mut rgb = vec![7; 60];
                state.apply(&faults, step, &camera(5, 4), &mut rgb, &[]);
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
        let mut state = fresh();
        let late = graded(FaultKind::ControlDelay, 3);
        state.watch(&late, &Measures::default());
        let steer = |step: usize| Controls { steer: 0.1 * step as f32, ..Controls::default() };
        let act = |state: &mut FaultState, step: usize, decision| state.command(&late, decision, steer(step)).steer;
        assert_eq!(act(&mut state, 5, 2000), steer(5).steer, "in time outside of the span");
        let acted: Vec<f32> = (6..12).map(|step| act(&mut state, step, 0)).collect();
        assert_eq!(acted, [5, 5, 5, 6, 7, 8].map(|step| steer(step).steer));
        assert_eq!(act(&mut state, 12, 2000), steer(12).steer, "and in time again");
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let road = crate::parse(text, "t.ron".as_ref()).unwrap().build_road().unwrap();
        let mut measures = Measures::default();
        measures.ego.speed_mps = 10.0;
        for (kind, least, most) in [(FaultKind::SpeedBias, 10.9, 11.1), (FaultKind::LocalisationBias, 10.0, 10.0)] {
            let faults = graded(kind, 3);
            let mut state = fresh();
            state.watch(&faults, &measures);
            let sensed = state.sense(&faults, &measures, &road);
            assert!((least..=most).contains(&sensed.ego.speed_mps), "{kind:?}: {}", sensed.ego.speed_mps);
            assert_eq!(kind == FaultKind::LocalisationBias, sensed.lane_offset_m.abs() == 0.35);
        }
    }
}
