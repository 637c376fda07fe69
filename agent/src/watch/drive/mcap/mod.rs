//! Drives as MCAP files: what the driver saw, perceived, valued and did, decision by decision, for the tools of the field
//! (Foxglove, Lichtblick), together with what plays the drive again to the bit.
//!
//! Scenario, trace and recorded perturbation are attachments, from which `watch --replay` drives it again: what is
//! played is the simulation itself, not its pictures. Messages are JSON and frames PNG rather than protobuf: no code
//! generator, and readable with any tool.
//!
//! What the driver got, made of it and did is here; what tools show in space is in `scene`, made of `primitive`s; what messages
//! look like is in `schema`.
//!
//! # Source
//! MCAP, <https://mcap.dev/spec>; pictures, frames and scenes are Foxglove's, everything is JSON under a JSON schema.

mod primitive;
mod scene;
mod schema;

use crate::about::About;
use crate::driver::Driver;
use crate::formats::pictures::{base64, png_bytes};
use crate::policy::QValues;
use crate::watch::drive::{Hands, Moment, WatchedDrive, with_faults};
use anyhow::Context;
use mcap::records::{MessageHeader, Metadata};
use mcap::{Attachment, Summary, WriteOptions, Writer};
use roadproof_env::reward::RewardSettings;
use roadproof_sim::fault::Recorded;
use roadproof_sim::{Controls, Scenario, Trace};
use scene::Space;
use schema::{Field, Topic, schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// First bytes of every MCAP file.
const MAGIC: &[u8] = b"\x89MCAP0\r\n";
/// Attachments that a drive is played from.
const SCENARIO: &str = "scenario.ron";
const TRACE: &str = "scenario.trace";
const RECORDED: &str = "recorded.perturbation";
/// Version of the topics and attachments.
const FORMAT: u32 = 1;
/// Name of the metadata record.
const ABOUT: &str = "roadproof";

const IMAGE_FIELDS: &[Field] = &[
    ("timestamp", "time", "time of the drive"),
    ("frame_id", "string", "the camera"),
    ("data", "base64", "the picture"),
    ("format", "string", "png"),
];

/// Topics of what the driver got, made of it and did, in the order of [`messages`].
const TOPICS: [Topic; 7] = [
    Topic { name: "/camera", schema: "foxglove.CompressedImage", fields: IMAGE_FIELDS },
    Topic { name: "/camera_clean", schema: "foxglove.CompressedImage", fields: IMAGE_FIELDS },
    Topic {
        name: "/truth",
        schema: "roadproof.Truth",
        fields: &[
            ("x_m", "number", "place of the centre of mass"),
            ("y_m", "number", "place of the centre of mass"),
            ("speed_mps", "number", "speed"),
            ("speed_limit_mps", "number", "speed limit"),
            ("lane_offset_m", "number", "offset from the centre of the lane, positive to the left"),
            ("heading_rad", "number", "heading against the lane, positive to the left"),
            ("curvature_per_m", "number", "mean curvature of the lane ahead, positive to the left"),
            ("gap_m", "number", "gap to the car ahead, null if there is none"),
            ("time_to_collision_s", "number", "time to collision with it, null if the gap does not close"),
            ("driving_score", "number", "driving score so far, 0 to 100"),
            ("route_completion", "number", "share of the route driven, 0 to 1"),
            ("outcome", "string", "how the drive ended, null before"),
        ],
    },
    Topic {
        name: "/perceived",
        schema: "roadproof.Perceived",
        fields: &[
            ("lane_offset_m", "number", "as in truth"),
            ("heading_rad", "number", "as in truth"),
            ("curvature_per_m", "number", "as in truth"),
            ("gap_m", "number", "distance to what is ahead in the lane"),
            ("lead_probability", "number", "how sure perception is that something is ahead, 0 to 1"),
        ],
    },
    Topic {
        name: "/q_values",
        schema: "roadproof.QValues",
        fields: &[
            ("best", "number", "Q-value of the chosen action"),
            ("value", "number", "value of the state"),
            ("steer", "array", "advantage of each steering angle, from right to left"),
            ("acceleration", "array", "advantage of each acceleration, from braking to going"),
        ],
    },
    Topic {
        name: "/controls",
        schema: "roadproof.Controls",
        fields: &[
            ("steer", "number", "share of the greatest steering angle, positive to the left"),
            ("throttle", "number", "0 to 1"),
            ("brake", "number", "0 to 1"),
        ],
    },
    Topic {
        name: "/reward",
        schema: "roadproof.Reward",
        fields: &[("total", "number", "sum of the terms"), ("terms", "terms", "terms by name")],
    },
];

/// A drive with these controls, the driver thinking along, as the content of an MCAP file; the names of driver and scenario are for
/// people.
///
/// # Errors
/// A scenario that cannot be built, and what the writer says of its own work.
pub fn of_controls(
    scenario: Scenario,
    controls: Vec<Controls>,
    (name, driver): (&str, Driver),
    title: &str,
    reward: RewardSettings,
) -> anyhow::Result<Vec<u8>> {
    let mut drive = WatchedDrive::new(scenario, driver, Hands::Recorded(controls))?.rewarded(reward);
    while !drive.over() {
        drive.step(Controls::default());
    }
    log(&drive, name, title)
}

/// A drive as the content of an MCAP file; the names of driver and scenario are for people.
///
/// # Errors
/// What the writer says of its own work.
pub fn log(drive: &WatchedDrive, driver: &str, title: &str) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriteOptions::new().compression(None).create(Cursor::new(Vec::new()))?;
    let mut about = About::this(FORMAT).of(driver, drive.driver()).as_words();
    about.insert("scenario".to_owned(), title.to_owned());
    writer.write_metadata(&Metadata { name: ABOUT.to_owned(), metadata: about })?;
    let scenario = as_driven(drive)?;
    attach(&mut writer, SCENARIO, "text/plain", roadproof_sim::scenario::to_ron(&scenario)?.as_bytes())?;
    attach(&mut writer, TRACE, "text/plain", drive.trace().to_text().as_bytes())?;
    if let Some(recording) = scenario.recorded.as_ref().and_then(Recorded::recording) {
        attach(&mut writer, RECORDED, "application/octet-stream", &recording.to_bytes())?;
    }
    let start = &drive.moments()[0];
    let terms = drive.reward.terms(&start.measures, &start.measures, &start.verdict).map(|(name, _)| name);
    let mut channels = Vec::new();
    for topic in TOPICS.iter().chain(&scene::TOPICS) {
        let schema = writer.add_schema(topic.schema, "jsonschema", schema(topic, &terms).as_bytes())?;
        channels.push(writer.add_channel(schema, topic.name, "json", &BTreeMap::new())?);
    }
    let camera = drive.episode().fleet().camera();
    let size = (u32::from(camera.width_px), u32::from(camera.height_px));
    let space = Space::of(drive);
    for (sequence, moment) in drive.moments().iter().enumerate() {
        let log_time = (f64::from(moment.measures.time_s) * 1e9).round() as u64;
        let time = json!({ "sec": log_time / 1_000_000_000, "nsec": log_time % 1_000_000_000 });
        let messages = messages(moment, size, &time).into_iter().chain(space.messages(moment, &time));
        for (channel_id, message) in channels.iter().zip(messages) {
            let Some(message) = message else { continue };
            let header =
                MessageHeader { channel_id: *channel_id, sequence: sequence as u32, log_time, publish_time: log_time };
            writer.write_to_known_channel(&header, message.to_string().as_bytes())?;
        }
    }
    writer.finish()?;
    Ok(writer.into_inner().into_inner())
}

/// The scenario with the faults that were on beside its own, and its recorded perturbation under the attachment's name.
fn as_driven(drive: &WatchedDrive) -> anyhow::Result<Scenario> {
    let faults = drive.steps.first().map_or(drive.faults(), |step| &step.faults);
    anyhow::ensure!(
        drive.steps.iter().all(|step| step.faults == faults),
        "faults were switched on or off during the drive: what is played again would not be the same"
    );
    let mut scenario = with_faults(drive.scenario(), faults);
    if let Some(recording) = scenario.recorded.as_ref().and_then(Recorded::recording) {
        scenario.recorded = Some(Recorded::new(RECORDED.to_owned(), Arc::new(recording.clone())));
    }
    Ok(scenario)
}

fn attach(
    writer: &mut Writer<Cursor<Vec<u8>>>,
    name: &str,
    media_type: &str,
    data: &[u8],
) -> Result<(), mcap::McapError> {
    let (name, media_type) = (name.to_owned(), media_type.to_owned());
    writer.attach(&Attachment { log_time: 0, create_time: 0, name, media_type, data: Cow::Borrowed(data) })
}

/// What a moment says on each of [`TOPICS`].
fn messages(moment: &Moment, (width, height): (u32, u32), time: &Value) -> [Option<Value>; TOPICS.len()] {
    let image = |rgb: &[u8]| {
        (!rgb.is_empty()).then(|| {
            let data = base64(&png_bytes(width, height, rgb));
            json!({ "timestamp": time, "frame_id": scene::CAMERA, "data": data, "format": "png" })
        })
    };
    let (truth, score) = (&moment.measures, &moment.score);
    let finite = |number: f32| number.is_finite().then_some(number);
    let terms: Map<String, Value> =
        moment.reward.iter().map(|(name, term)| ((*name).to_owned(), json!(term))).collect();
    [
        image(&moment.frame),
        image(&moment.clean).filter(|_| moment.clean != moment.frame),
        Some(json!({
            "x_m": truth.ego.position.x,
            "y_m": truth.ego.position.y,
            "speed_mps": truth.ego.speed_mps,
            "speed_limit_mps": truth.speed_limit_mps,
            "lane_offset_m": truth.lane_offset_m,
            "heading_rad": truth.heading_rad,
            "curvature_per_m": truth.curvature_per_m,
            "gap_m": truth.gap_m,
            "time_to_collision_s": finite(truth.time_to_collision_s),
            "driving_score": score.driving_score,
            "route_completion": score.route_completion,
            "outcome": moment.verdict.outcome.map(|outcome| format!("{outcome:?}")),
        })),
        moment.thought.as_ref().map(|thought| {
            let percept = &thought.percept;
            json!({
                "lane_offset_m": percept.lane_offset_m,
                "heading_rad": percept.heading_rad,
                "curvature_per_m": percept.curvature_per_m,
                "gap_m": percept.gap_m,
                "lead_probability": percept.lead_probability,
            })
        }),
        moment.thought.as_ref().map(|thought| {
            let q = QValues(&thought.heads);
            json!({ "best": q.of(q.best()), "value": q.value(), "steer": q.steer(), "acceleration": q.acceleration() })
        }),
        moment
            .taken
            .map(|Controls { steer, throttle, brake }| json!({ "steer": steer, "throttle": throttle, "brake": brake })),
        (!terms.is_empty()).then(|| {
            let total: f32 = moment.reward.iter().map(|(_, term)| term).sum();
            json!({ "total": total, "terms": terms })
        }),
    ]
}

/// Whether these are the first bytes of an MCAP file.
#[must_use]
pub fn is_mcap(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The scenario and the controls of a drive that [`log`] wrote.
///
/// # Errors
/// A file that is damaged, or that was written by another program.
pub fn read(bytes: &[u8], path: &Path) -> anyhow::Result<(Scenario, Vec<Controls>)> {
    let summary = Summary::read(bytes)
        .with_context(|| format!("the MCAP file {path:?} is damaged"))?
        .with_context(|| format!("the MCAP file {path:?} has no summary: it was not written to its end"))?;
    // A recorded perturbation is read from beside its scenario, so all attachments become files for a moment.
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    for index in &summary.attachment_indexes {
        let inside = index.offset.checked_add(index.length).is_some_and(|end| end <= bytes.len() as u64);
        anyhow::ensure!(inside, "attachment {:?} of the MCAP file {path:?} lies outside of it", index.name);
        let attachment = mcap::read::attachment(bytes, index)
            .with_context(|| format!("attachment {:?} of the MCAP file {path:?} is damaged", index.name))?;
        // Names are those of other people's files: none may leave the folder.
        let Some(name) = Path::new(&attachment.name).file_name().filter(|name| *name == attachment.name.as_str())
        else {
            continue;
        };
        std::fs::write(folder.path().join(name), &attachment.data)
            .with_context(|| format!("cannot write to {:?}", folder.path()))?;
    }
    let has = |name: &str| folder.path().join(name).exists();
    anyhow::ensure!(
        has(SCENARIO) && has(TRACE),
        "the MCAP file {path:?} holds no drive of this program: it has no attachments {SCENARIO:?} and {TRACE:?}"
    );
    // Errors name the recording, not a folder that is gone by then.
    let text = roadproof_sim::text::read(&folder.path().join(TRACE))
        .with_context(|| format!("{TRACE} in {} is no text", path.display()))?;
    let trace = Trace::parse(&text).with_context(|| format!("{TRACE} in {}", path.display()))?;
    let scenario = roadproof_sim::read(&folder.path().join(SCENARIO)).map_err(|error| {
        anyhow::anyhow!(
            "{}",
            error.to_string().replace(&folder.path().display().to_string(), &path.display().to_string())
        )
    })?;
    Ok((scenario.into_scenario(), trace.controls().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;
    use crate::watch::drive::{Hands, LiveFault};
    use roadproof_sim::fault::{FaultKind, Severity};

    fn drive(path: &str, faults: Vec<LiveFault>) -> WatchedDrive {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(path);
        let scenario = roadproof_sim::read(&path).expect("a scenario of the repository").into_scenario();
        let driver = Driver::named("shipped", None).expect("the shipped driver");
        let mut drive = WatchedDrive::new(scenario, driver, Hands::Driver).expect("a drive");
        drive.set_faults(faults).expect("the same drive with faults");
        drive
    }

    /// Writes some of a drive and drives it again; returns the file.
    fn there_and_back(mut drive: WatchedDrive) -> Vec<u8> {
        (0..40).for_each(|_| drive.step(Controls::default()));
        let bytes = log(&drive, "shipped", "a drive").expect("a log");
        let (scenario, controls) = read(&bytes, Path::new("a.mcap")).expect("a drive");
        let driver = Driver::Scripted;
        let mut again = WatchedDrive::new(scenario, driver, Hands::Recorded(controls)).expect("a drive");
        while !again.over() {
            again.step(Controls::default());
        }
        assert_eq!(drive.trace().compare(again.trace()), Ok(()));
        bytes
    }

    #[test]
    fn a_drive_comes_back_to_the_bit() {
        let bytes = there_and_back(drive("cut_in/from_left.ron", Vec::new()));
        let topics = |name: &str| {
            let messages = mcap::MessageStream::new(&bytes).expect("a log");
            messages.map(|message| message.expect("a message")).filter(|message| message.channel.topic == name).count()
        };
        assert_eq!((topics("/camera"), topics("/camera_clean")), (41, 0));
        assert_eq!((topics("/truth"), topics("/controls"), topics("/reward")), (41, 40, 40));
        assert_eq!((topics("/perceived"), topics("/q_values")), (41, 41));
        assert_eq!((topics("/tf"), topics("/scene"), topics("/scene/perceived")), (41, 41, 41));
        assert_eq!((topics("/camera/calibration"), topics("/scene/road")), (1, 1));
    }

    #[test]
    fn faults_and_recorded_perturbations_come_back() {
        let rain = (FaultKind::Rain, Severity::new(4).expect("a severity"));
        there_and_back(drive("cut_in/from_left.ron", vec![rain]));
        there_and_back(drive("found/from_left_apgd_linf_2.ron", Vec::new()));
        // The first frame is delayed already, and so are the first controls.
        let late = [FaultKind::DelayedFrames, FaultKind::ControlDelay];
        there_and_back(drive("cut_in/from_left.ron", late.map(|kind| (kind, rain.1)).to_vec()));
    }

    #[test]
    fn faults_that_were_switched_during_the_drive_are_refused() {
        let mut drive = drive("cut_in/from_left.ron", Vec::new());
        drive.step(Controls::default());
        let rain = (FaultKind::Rain, Severity::new(4).expect("a severity"));
        drive.set_faults(vec![rain]).expect("the same drive with faults");
        assert!(log(&drive, "shipped", "a drive").is_ok(), "they have not begun");
        drive.step(Controls::default());
        assert!(log(&drive, "shipped", "a drive").expect_err("two kinds of steps").to_string().contains("switched"));
    }

    #[test]
    fn schemas_say_what_is_inside_of_objects_and_arrays() {
        fn check(name: &str, field: &Value) {
            match field["type"].as_str().expect("a type") {
                "object" => {
                    let fields = field["properties"].as_object().expect("fields");
                    fields.iter().for_each(|(name, field)| check(name, field));
                }
                "array" => check(name, &field["items"]),
                kind => assert!(["number", "integer", "string", "boolean"].contains(&kind), "{name} is {kind}"),
            }
        }
        for topic in TOPICS.iter().chain(&scene::TOPICS) {
            let schema: Value = serde_json::from_str(&schema(topic, &["progress"])).expect("a schema");
            assert_eq!(schema["properties"].as_object().map(Map::len), Some(topic.fields.len()));
            check(topic.name, &schema);
        }
    }

    #[test]
    fn the_layout_for_panels_asks_for_topics_that_there_are() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/foxglove-layout.json");
        let layout: Value = serde_json::from_slice(&std::fs::read(path).expect("the layout")).expect("JSON");
        let known = |asked: &str| {
            let (name, field) = asked.split_once('.').map_or((asked, None), |(name, field)| (name, Some(field)));
            let topic = TOPICS.iter().chain(&scene::TOPICS).find(|topic| topic.name == name);
            topic.is_some_and(|topic| field.is_none_or(|field| topic.fields.iter().any(|(name, ..)| *name == field)))
        };
        let mut asked = Vec::new();
        for (id, panel) in layout["configById"].as_object().expect("panels") {
            assert!(layout["layout"].to_string().contains(id), "{id} is nowhere");
            let topics = panel["topics"].as_object().into_iter().flat_map(Map::keys).map(String::as_str);
            let mode = &panel["imageMode"];
            let pictures = [&mode["imageTopic"], &mode["calibrationTopic"]].into_iter().filter_map(Value::as_str);
            let curves = panel["paths"].as_array().into_iter().flatten().filter_map(|path| path["value"].as_str());
            asked.extend(topics.chain(pictures).chain(curves));
        }
        let unknown: Vec<&str> = asked.iter().copied().filter(|&asked| !known(asked)).collect();
        assert!(unknown.is_empty() && asked.len() > 8, "{unknown:?}");
    }

    #[test]
    fn files_of_others_are_refused_with_what_is_wrong() {
        let message = |bytes: &[u8]| read(bytes, Path::new("a.mcap")).expect_err("no drive").to_string();
        let mut writer = WriteOptions::new().create(Cursor::new(Vec::new())).expect("a writer");
        writer.finish().expect("an end");
        let empty = writer.into_inner().into_inner();
        assert!(is_mcap(&empty) && message(&empty).contains("holds no drive of this program"), "{}", message(&empty));
        let mut writer = WriteOptions::new().create(Cursor::new(Vec::new())).expect("a writer");
        attach(&mut writer, "../../escaped.ron", "text/plain", b"x").expect("an attachment");
        attach(&mut writer, SCENARIO, "text/plain", b"Scenario(format: 1, sed: 2)").expect("an attachment");
        attach(&mut writer, TRACE, "text/plain", b"roadproof trace 1\n").expect("an attachment");
        writer.finish().expect("an end");
        let wrong = writer.into_inner().into_inner();
        assert!(message(&wrong).starts_with("a.mcap/scenario.ron:1:"), "{}", message(&wrong));
        assert!(message(&wrong[..wrong.len() / 2]).contains("a.mcap"));
        assert!(message(&empty[..9]).contains("a.mcap"));
    }
}
