//! Traces: one row per decision, with the controls to the bit and a digest of state and frame.
//!
//! A golden trace replays its recorded controls and must meet the same digests; the first row that differs is reported.
//!
//! Drives without recorded controls are held against the bounds of their file instead.

use crate::math::Vec3;
use crate::outcome::measures::Measures;
use crate::text::without_mark;
use crate::traffic::Traffic;
use crate::vehicle::Controls;
use std::fmt::Write as _;
use xxhash_rust::xxh3::Xxh3;

/// First line of a trace file.
const HEADER: &str = "roadproof trace 1";

/// One decision of a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceRow {
    /// Decision, from 1.
    pub step: u32,
    /// What the driver asked for.
    pub controls: Controls,
    /// Place along the road.
    pub s_m: f32,
    /// Offset from the reference line.
    pub d_m: f32,
    /// Speed.
    pub speed_mps: f32,
    /// Digest of the ego's and the other cars' state.
    pub state_digest: u64,
    /// Digest of the frame as the driver got it, with depth, class and instance.
    pub frame_digest: u64,
}

/// All decisions of a drive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The decisions, in order.
    pub rows: Vec<TraceRow>,
}

/// A trace file that cannot be used, or a drive that differs from it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// Not a trace, or one of another version.
    #[error("line 1 is {found:?}, a trace begins with {HEADER:?}")]
    Header {
        /// The line found.
        found: String,
    },
    /// A row that cannot be read.
    #[error("line {line}: {text:?} is not a row of eight numbers")]
    Row {
        /// Line, from 1.
        line: usize,
        /// The line found.
        text: String,
    },
    /// The drive went another way.
    #[error("decision {step} differs: {difference}")]
    Differs {
        /// The first decision that differs.
        step: u32,
        /// What differs, expected and found.
        difference: String,
    },
}

impl Trace {
    /// The recorded controls, in order.
    pub fn controls(&self) -> impl Iterator<Item = Controls> + '_ {
        self.rows.iter().map(|row| row.controls)
    }

    /// The trace as text: controls as bits in hexadecimal, then readable numbers, then digests.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n# step steer throttle brake s_m d_m speed_mps state frame\n");
        for row in &self.rows {
            let Controls { steer, throttle, brake } = row.controls;
            let (steer, throttle, brake) = (steer.to_bits(), throttle.to_bits(), brake.to_bits());
            let (s_m, d_m, speed_mps) = (row.s_m, row.d_m, row.speed_mps);
            let _ = writeln!(
                text,
                "{} {steer:08x} {throttle:08x} {brake:08x} {s_m:.3} {d_m:.3} {speed_mps:.3} {:016x} {:016x}",
                row.step, row.state_digest, row.frame_digest
            );
        }
        text
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`TraceError::Header`] and [`TraceError::Row`] with the line.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut lines = without_mark(text).lines().enumerate();
        let found = lines.next().map_or("", |(_, line)| line);
        if found.trim_end() != HEADER {
            return Err(TraceError::Header { found: found.chars().take(60).collect() });
        }
        let rows = lines
            .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
            .map(|(index, line)| {
                let text = || line.chars().take(100).collect();
                parse_row(line).ok_or_else(|| TraceError::Row { line: index + 1, text: text() })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rows })
    }

    /// Compares a drive with this golden trace.
    ///
    /// # Errors
    /// [`TraceError::Differs`] with the first decision that differs.
    pub fn compare(&self, drive: &Self) -> Result<(), TraceError> {
        for (expected, found) in self.rows.iter().zip(&drive.rows) {
            let difference = if expected.state_digest != found.state_digest {
                let state = |row: &TraceRow| {
                    let TraceRow { s_m, d_m, speed_mps, state_digest, .. } = row;
                    format!("s = {s_m:.3} m, d = {d_m:.3} m, {speed_mps:.3} m/s (digest {state_digest:016x})")
                };
                format!("state is {}, recorded {}", state(found), state(expected))
            } else if expected.frame_digest != found.frame_digest {
                format!("frame digest is {:016x}, recorded {:016x}", found.frame_digest, expected.frame_digest)
            } else {
                continue;
            };
            return Err(TraceError::Differs { step: expected.step, difference });
        }
        if self.rows.len() != drive.rows.len() {
            let step = self.rows.len().min(drive.rows.len()) as u32 + 1;
            let difference = format!("the drive has {} decisions, recorded {}", drive.rows.len(), self.rows.len());
            return Err(TraceError::Differs { step, difference });
        }
        Ok(())
    }
}

fn parse_row(line: &str) -> Option<TraceRow> {
    let mut fields = line.split_ascii_whitespace();
    let step = fields.next()?.parse().ok()?;
    let mut bits = || Some(f32::from_bits(u32::from_str_radix(fields.next()?, 16).ok()?));
    let controls = Controls { steer: bits()?, throttle: bits()?, brake: bits()? };
    let mut number = || fields.next()?.parse::<f32>().ok();
    let (s_m, d_m, speed_mps) = (number()?, number()?, number()?);
    let mut digest = || u64::from_str_radix(fields.next()?, 16).ok();
    let (state_digest, frame_digest) = (digest()?, digest()?);
    fields.next().is_none().then_some(TraceRow { step, controls, s_m, d_m, speed_mps, state_digest, frame_digest })
}

/// Digest of everything that moves: the ego and the other cars, to the bit.
#[must_use]
pub fn state_digest(measures: &Measures, traffic: &Traffic) -> u64 {
    let mut hasher = Xxh3::new();
    let mut add = |values: &[f32]| values.iter().for_each(|value| hasher.update(&value.to_bits().to_le_bytes()));
    let ego = &measures.ego;
    let vector = |v: Vec3| [v.x, v.y, v.z];
    add(&vector(ego.position));
    add(&[ego.rotation.x, ego.rotation.y, ego.rotation.z, ego.rotation.w]);
    add(&vector(ego.velocity_mps));
    add(&[ego.yaw_rate_rad_per_s, ego.steer_rad, ego.s_m, ego.d_m]);
    for car in traffic.cars() {
        add(&[car.s_m, car.d_m, car.speed_mps, car.acceleration_mps2]);
    }
    hasher.digest()
}

/// Digest of a frame, all four channels.
#[must_use]
pub fn frame_digest(rgb: &[u8], depth_m: &[f32], class: &[u8], instance: &[u16]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(rgb);
    hasher.update(bytemuck::cast_slice(depth_m));
    hasher.update(class);
    hasher.update(bytemuck::cast_slice(instance));
    hasher.digest()
}

/// The measure of a drive that came closest to its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Closest {
    /// Name of the bound.
    pub name: &'static str,
    /// What was measured.
    pub measured: f32,
    /// What was allowed.
    pub bound: f32,
    /// How much was left as a share of the bound; negative if it was broken.
    pub margin: f32,
}

/// Worst values of a drive, to be held against a scenario's expectations.
#[derive(Clone, Copy, Debug)]
pub struct Extremes {
    /// Least time to collision.
    pub min_ttc_s: f32,
    /// Least gap.
    pub min_gap_m: f32,
    /// Greatest distance from the centre of the lane the ego started in.
    pub max_lane_offset_m: f32,
    /// Greatest distance from the centre of whichever lane of the ego's direction was nearest.
    pub max_nearest_lane_offset_m: f32,
    /// Greatest speed.
    pub max_speed_mps: f32,
    /// Hardest braking.
    pub max_decel_mps2: f32,
    /// Time at the end.
    pub time_s: f32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            min_ttc_s: f32::INFINITY,
            min_gap_m: f32::INFINITY,
            max_lane_offset_m: 0.0,
            max_nearest_lane_offset_m: 0.0,
            max_speed_mps: 0.0,
            max_decel_mps2: 0.0,
            time_s: 0.0,
        }
    }
}

impl Extremes {
    /// Takes in one decision.
    pub fn note(&mut self, measures: &Measures) {
        self.min_ttc_s = self.min_ttc_s.min(measures.time_to_collision_s);
        self.min_gap_m = self.min_gap_m.min(measures.gap_m.unwrap_or(f32::INFINITY));
        self.max_lane_offset_m = self.max_lane_offset_m.max(measures.start_lane_offset_m.abs());
        self.max_nearest_lane_offset_m = self.max_nearest_lane_offset_m.max(measures.lane_offset_m.abs());
        self.max_speed_mps = self.max_speed_mps.max(measures.ego.speed_mps);
        if measures.contact.is_none() {
            self.max_decel_mps2 = self.max_decel_mps2.max(-measures.ego.acceleration_mps2);
        }
        self.time_s = measures.time_s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let row = |step| TraceRow {
            step,
            controls: Controls { steer: -0.1, throttle: 0.7, brake: 0.0 },
            s_m: 1.5,
            d_m: -1.75,
            speed_mps: 10.25,
            state_digest: 7 + u64::from(step),
            frame_digest: u64::MAX,
        };
        Trace { rows: vec![row(1), row(2)] }
    }

    #[test]
    fn text_round_trips() {
        assert_eq!(Trace::parse(&trace().to_text()), Ok(trace()));
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut other = trace();
        other.rows[1].state_digest = 0;
        let error = trace().compare(&other).unwrap_err();
        assert!(error.to_string().starts_with("decision 2 differs: state is"), "{error}");
        other.rows.truncate(1);
        assert!(trace().compare(&other).unwrap_err().to_string().contains("has 1 decisions, recorded 2"));
    }

    #[test]
    fn mangled_text_is_refused() {
        assert!(matches!(Trace::parse(""), Err(TraceError::Header { .. })));
        let cut = trace().to_text().replace("3f333333", "xyz");
        assert!(matches!(Trace::parse(&cut), Err(TraceError::Row { line: 3, .. })));
    }
}
