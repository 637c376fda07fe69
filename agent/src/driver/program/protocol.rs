//! What is said between the simulator and a driver's program, line by line, as JSON.

use crate::formats::pictures::base64;
use roadproof_env::action::controls_for;
use roadproof_sim::camera::CameraSettings;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures, Observations, Seed};
use serde::{Deserialize, Serialize, Serializer};

/// The protocol that this version speaks.
pub const PROTOCOL: u32 = 1;

/// The first line to the program.
#[derive(Serialize)]
pub(super) struct Hello {
    pub roadproof: &'static str,
    pub protocol: u32,
}

/// The program's first line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Welcome {
    pub protocol: u32,
    pub wants: Vec<Want>,
}

/// What a program can be shown beside what its car senses of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Want {
    /// The camera's frame.
    Frame,
    /// What only the simulator knows: what the scripted driver drives by.
    Truth,
}

/// One decision that is asked for.
#[derive(Serialize)]
pub(super) struct Question<'a> {
    /// Which of the drives that go on side by side.
    drive: usize,
    /// How many more questions come before an answer is waited for.
    more: usize,
    /// What is told once, of a drive that begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    begins: Option<Begins<'a>>,
    time_s: f32,
    speed_mps: f32,
    acceleration_mps2: f32,
    yaw_rate_rad_per_s: f32,
    steer_rad: f32,
    speed_limit_mps: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<Truth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<Frame<'a>>,
}

#[derive(Serialize)]
struct Begins<'a> {
    /// As text: beyond 2^53 many readers of JSON round.
    #[serde(serialize_with = "as_text")]
    seed: Seed,
    decision_s: f32,
    vehicle: &'a VehicleSettings,
    camera: &'a CameraSettings,
}

#[derive(Serialize)]
struct Truth {
    lane_offset_m: f32,
    heading_rad: f32,
    curvature_per_m: f32,
    gap_m: Option<f32>,
    lead_speed_mps: Option<f32>,
}

#[derive(Serialize)]
struct Frame<'a> {
    width_px: u16,
    height_px: u16,
    #[serde(serialize_with = "as_base64")]
    rgb: &'a [u8],
}

fn as_text<S: Serializer>(seed: &Seed, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&seed.0)
}

fn as_base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&base64(bytes))
}

impl<'a> Question<'a> {
    /// The question of one world, after which `more` others are asked; `begins` is the seed of a drive that does.
    pub fn new(seen: &'a Observations, world: usize, more: usize, begins: Option<Seed>, wants: &[Want]) -> Self {
        let (sensed, camera) = (&seen.sensed[world], &seen.cameras[world]);
        let decision_s = seen.decision_s[world];
        let begins = begins.map(|seed| Begins { seed, decision_s, vehicle: &seen.vehicles[world], camera });
        let CameraSettings { width_px, height_px, .. } = *camera;
        Self {
            drive: world,
            more,
            begins,
            time_s: sensed.time_s,
            speed_mps: sensed.ego.speed_mps,
            acceleration_mps2: sensed.ego.acceleration_mps2,
            yaw_rate_rad_per_s: sensed.ego.yaw_rate_rad_per_s,
            steer_rad: sensed.ego.steer_rad,
            speed_limit_mps: sensed.speed_limit_mps,
            truth: wants.contains(&Want::Truth).then(|| Truth::of(sensed)),
            frame: wants.contains(&Want::Frame).then(|| Frame { width_px, height_px, rgb: seen.frame(world) }),
        }
    }
}

impl Truth {
    fn of(measures: &Measures) -> Self {
        Self {
            lane_offset_m: measures.lane_offset_m,
            heading_rad: measures.heading_rad,
            curvature_per_m: measures.curvature_per_m,
            gap_m: measures.gap_m,
            lead_speed_mps: measures.gap_m.map(|_| measures.lead_speed_mps),
        }
    }
}

/// What the program decides: a steering angle with an acceleration, or the controls themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    steer_rad: Option<f32>,
    acceleration_mps2: Option<f32>,
    steer: Option<f32>,
    throttle: Option<f32>,
    brake: Option<f32>,
}

impl Answer {
    /// The controls of a car that senses itself so; what is beyond a bound is set to it.
    ///
    /// # Errors
    /// What is missing, or too much.
    pub fn controls(&self, vehicle: &VehicleSettings, sensed: &Measures) -> Result<Controls, &'static str> {
        match *self {
            Self {
                steer_rad: Some(steer_rad),
                acceleration_mps2: Some(mps2),
                steer: None,
                throttle: None,
                brake: None,
            } => Ok(controls_for(steer_rad, mps2, vehicle, &sensed.ego)),
            Self { steer_rad: None, acceleration_mps2: None, steer: Some(steer), throttle, brake } => {
                let (throttle, brake) = (throttle.unwrap_or(0.0), brake.unwrap_or(0.0));
                Ok(Controls { steer, throttle, brake }.bounded())
            }
            _ => Err("wanted is steer_rad with acceleration_mps2, or steer with throttle or brake"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls(answer: &str) -> Result<Controls, String> {
        let answer: Answer = serde_json::from_str(answer).map_err(|error| error.to_string())?;
        answer.controls(&VehicleSettings::default(), &Measures::default()).map_err(str::to_owned)
    }

    #[test]
    fn an_answer_is_an_angle_with_an_acceleration_or_the_controls_themselves() {
        let vehicle = VehicleSettings::default();
        let asked = controls(r#"{"steer_rad": 0.1, "acceleration_mps2": 1.5}"#).expect("controls");
        assert!((asked.steer * vehicle.max_steer_rad - 0.1).abs() < 1e-6);
        assert!((asked.throttle * vehicle.drive_force_n / vehicle.mass_kg - 1.5).abs() < 1e-4);
        let asked = controls(r#"{"steer": -7, "brake": 0.5}"#).expect("controls");
        assert_eq!(asked, Controls { steer: -1.0, throttle: 0.0, brake: 0.5 });
        for wrong in ["{}", r#"{"steer_rad": 0.1}"#, r#"{"steer": 0, "steer_rad": 0, "acceleration_mps2": 0}"#] {
            assert!(controls(wrong).is_err_and(|told| told.starts_with("wanted is steer_rad with")), "{wrong}");
        }
        assert!(controls(r#"{"steering": 0.1}"#).is_err_and(|told| told.contains("unknown field `steering`")));
        assert!(controls(r#"{"steer": NaN}"#).is_err());
    }

    #[test]
    fn a_question_has_what_was_asked_for_and_no_more() {
        let mut fleet = crate::driver::program::tests::fleet();
        let seen = fleet.observe();
        let asked =
            |begins, wants: &[Want]| serde_json::to_value(Question::new(&seen, 0, 2, begins, wants)).expect("JSON");
        let plain = asked(None, &[]);
        assert_eq!(plain["speed_mps"], 10.0);
        assert!(plain.get("truth").is_none() && plain.get("frame").is_none() && plain.get("begins").is_none());
        let all = asked(Some(Seed(u64::MAX)), &[Want::Truth, Want::Frame]);
        assert_eq!(all["begins"]["seed"], "18446744073709551615");
        assert_eq!((&all["begins"]["camera"]["width_px"], &all["frame"]["width_px"]), (&40.into(), &40.into()));
        assert_eq!(all["frame"]["rgb"], base64(seen.frame(0)));
        assert_eq!(all["truth"]["lead_speed_mps"], serde_json::Value::Null, "nobody is ahead");
    }
}
