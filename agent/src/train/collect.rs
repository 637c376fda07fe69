//! Stage 1: a scripted driver with ground truth drives generated roads, pushed about so that recoveries are seen too.

use crate::drive::rollout::Rollout;
use crate::driver::Drives;
use crate::host::interrupt::Interrupt;
use crate::host::pace::Allotment;
use crate::host::progress::LongWork;
use crate::train::settings::Settings;
use roadproof_env::scripted_controls_beside;
use roadproof_perception::{CLASSES, Dataset, GAP_MAX_M, PerceptLabel, SegmentClass};
use roadproof_sim::camera::car_instance;
use roadproof_sim::seed::Stream;
use roadproof_sim::traffic::{ActorKind, ActorSpec, ActorStart, Idm, Manoeuvre};
use roadproof_sim::trigger::Trigger;
use roadproof_sim::{
    Class, Controls, FleetError, Measures, Observations, Purpose, Scenario, Seed, Split, generate_drive,
};
use std::time::Instant;

/// Frames of training and of validation roads.
pub struct Collected {
    /// Frames to train on.
    pub train: Dataset,
    /// Frames from other roads.
    pub validation: Dataset,
}

/// Share of the time given that validation frames may take, unless they are more of all frames than that.
const VALIDATION_SHARE: f64 = 0.2;

/// Collects both sets; stops early, with what there is, when interrupted or when the time given is spent. However little time
/// there is, both have frames.
///
/// # Errors
/// [`FleetError`] if the settings describe drives that cannot be built.
pub fn collect(settings: &Settings, time: Allotment, interrupt: &Interrupt) -> Result<Collected, FleetError> {
    let start = Instant::now();
    let validation_frames = settings.collect.validation_frames;
    let total = settings.collect.frames + validation_frames;
    let mut stage = LongWork::start("collect", total as u64, "frames").with_allotment(time);
    let mut gather = |split: Split, frames: usize, done: usize, share: f64| {
        let end = time.limit.map(|limit| start + limit.mul_f64(share));
        gather(settings, split, frames, end, interrupt, &mut |frames, megabytes| {
            stage.set((done + frames) as u64, format_args!("{megabytes} MB"));
        })
    };
    let share = (validation_frames as f64 / total as f64).max(VALIDATION_SHARE);
    let validation = gather(Split::Validation, validation_frames, 0, share)?;
    let train = gather(Split::Train, settings.collect.frames, validation.len(), 1.0)?;
    let megabytes = (train.memory_bytes() + validation.memory_bytes()) / 1_000_000;
    stage.finish(format_args!("{} + {} frames, {megabytes} MB", train.len(), validation.len()));
    Ok(Collected { train, validation })
}

/// A few frames, and the seconds that each of them takes here once the drives are under way; none if somebody interrupts.
///
/// # Errors
/// As [`collect`].
pub(crate) fn sample(settings: &Settings, interrupt: &Interrupt) -> Result<(Dataset, f64), FleetError> {
    let worlds = settings.collect.worlds.min(settings.collect.frames);
    let mut first = None;
    let mut frame_s = 0.0;
    let dataset = gather(settings, Split::Train, 2 * worlds, None, interrupt, &mut |frames, _| {
        if frames > 0 {
            let (before, since) = *first.get_or_insert_with(|| (frames, Instant::now()));
            if frames > before {
                frame_s = since.elapsed().as_secs_f64() / (frames - before) as f64;
            }
        }
    })?;
    Ok((dataset, frame_s))
}

fn gather(
    settings: &Settings,
    split: Split,
    frames: usize,
    end: Option<Instant>,
    interrupt: &Interrupt,
    report: &mut impl FnMut(usize, usize),
) -> Result<Dataset, FleetError> {
    let collect = &settings.collect;
    let camera = &settings.drive.camera;
    let mut dataset = Dataset::new(usize::from(camera.width_px), usize::from(camera.height_px));
    dataset.reserve(frames);
    let worlds = collect.worlds.min(frames);
    let mut next_road = 0;
    let mut draw = || {
        next_road += 1;
        wandering_drive(Seed::of_split(split, settings.seed, next_road - 1), settings)
    };
    let scenarios = (0..worlds).map(|_| draw()).collect();
    let mut gusts = Seed::of_split(split, settings.seed, 0).child(1).stream(Purpose::Disturbance);
    let mut driver = Wanderer::new(Seed::of_split(split, settings.seed, 0).stream(Purpose::Disturbance), worlds);
    let mut rollout = Rollout::start(scenarios, &mut driver, settings.threads())?;
    let mut decision = 0;
    let in_time = || end.is_none_or(|end| Instant::now() < end);
    while dataset.len() < frames && !interrupt.requested() && (dataset.is_empty() || in_time()) {
        decision += 1;
        let kept = decision % collect.every == 0;
        rollout.step_after(|fleet, _, _| {
            for world in (0..worlds).filter(|_| gusts.chance(collect.gust)).collect::<Vec<_>>() {
                fleet.disturb(world, 0.9 * gusts.normal(), 0.12 * gusts.normal());
            }
            fleet.set_camera(kept);
        });
        if kept {
            for world in rollout.running().into_iter().take(frames - dataset.len()) {
                push(&mut dataset, rollout.seen(), world);
            }
        }
        let ended = rollout.ended();
        if !ended.is_empty() {
            rollout.refill(ended.into_iter().map(|world| (world, draw())).collect())?;
        }
        report(dataset.len(), dataset.memory_bytes() / 1_000_000);
    }
    Ok(dataset)
}

/// A generated drive that starts off the lane's middle.
fn wandering_drive(seed: Seed, settings: &Settings) -> Scenario {
    let mut scenario = generate_drive(seed, &settings.drive);
    let mut stream = seed.stream(Purpose::Disturbance);
    // Many roads seen briefly teach more than few seen whole; drives of mixed lengths keep worlds out of step.
    scenario.duration_s = stream.uniform(0.5, 1.5) * settings.collect.drive_s;
    scenario.ego.offset_m = stream.uniform(-1.1, 1.1);
    scenario.ego.heading_deg = stream.uniform(-8.0, 8.0);
    if stream.chance(settings.collect.close.unwrap_or(0.0)) {
        begin_close(&mut scenario, &mut stream);
    }
    scenario
}

/// Nobody else starts nearer than this in front of a drive that begins close behind a car: room for that car, however long it is.
const ROOM_AHEAD_M: f32 = 40.0;

/// Lets a drive begin right behind a car, which stands for a while or rolls on.
fn begin_close(scenario: &mut Scenario, stream: &mut Stream) {
    let ego = scenario.ego;
    scenario
        .actors
        .retain(|actor| actor.start.lane != ego.lane || !(ego.s_m..ego.s_m + ROOM_AHEAD_M).contains(&actor.start.s_m));
    let kind = match stream.below(4) {
        0 => ActorKind::Truck,
        1 => ActorKind::Van,
        _ => ActorKind::Car,
    };
    let gap_m = stream.uniform(CLOSE_M.0, CLOSE_M.1);
    let stands = stream.chance(0.6);
    let speed_mps = if stands { 0.0 } else { stream.uniform(0.5, 8.0) };
    let hold_s = Some(stream.uniform(2.0, 20.0));
    let stop = Manoeuvre::Stop { when: Trigger::At { at_s: 0.0 }, decel_mps2: 3.0, hold_s };
    scenario.ego.speed_mps = speed_mps;
    scenario.actors.push(ActorSpec {
        name: "close".to_owned(),
        kind,
        start: ActorStart {
            lane: ego.lane,
            s_m: ego.s_m + 0.5 * (ego.vehicle.length_m + kind.size_m().0) + gap_m,
            speed_mps,
        },
        desired_speed_mps: Some(stream.uniform(2.0, 10.0)),
        idm: Idm::default(),
        colour: None,
        script: if stands { vec![stop] } else { Vec::new() },
    });
}

/// The gaps that such drives begin with.
const CLOSE_M: (f32, f32) = (0.3, 6.0);

/// The scripted driver, who wants to be somewhere else in its lane every few seconds.
struct Wanderer {
    stream: Stream,
    wishes: Vec<Wish>,
}

/// Where it wants to be, and until when.
struct Wish {
    offset_m: f32,
    until_s: f32,
}

impl Wanderer {
    fn new(mut stream: Stream, worlds: usize) -> Self {
        let wishes = (0..worlds)
            .map(|_| Wish { offset_m: stream.uniform(-1.0, 1.0), until_s: stream.uniform(1.0, 5.0) })
            .collect();
        Self { stream, wishes }
    }
}

impl Drives for Wanderer {
    fn needs_camera(&self) -> bool {
        true
    }

    fn start(&mut self, _: &[Seed]) {}

    fn restart(&mut self, _: usize, _: Seed) {}

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        let worlds = seen.measures.iter().zip(&seen.vehicles).zip(&mut self.wishes);
        let controls = worlds.map(|((measures, vehicle), wish)| {
            if measures.time_s >= wish.until_s || measures.step == 0 {
                wish.until_s = measures.time_s + self.stream.uniform(2.0, 6.0);
                wish.offset_m = if self.stream.chance(0.3) { 0.0 } else { self.stream.uniform(-1.2, 1.2) };
            }
            scripted_controls_beside(measures, vehicle, wish.offset_m)
        });
        controls.collect()
    }
}

fn push(dataset: &mut Dataset, seen: &Observations, world: usize) {
    let classes: Vec<u8> = seen.class_frame(world).iter().map(|class| seen_class(*class) as u8).collect();
    let measures = &seen.measures[world];
    let label = PerceptLabel {
        lane_offset_m: measures.lane_offset_m,
        heading_rad: measures.heading_rad,
        curvature_per_m: measures.curvature_per_m,
        gap_m: seen_gap_m(measures, seen.instance_frame(world)),
    };
    dataset.push(seen.frame(world), &classes, label).expect("the dataset was made for the fleet's camera");
}

/// The gap to the car ahead, where the frame tells of it: the simulator measures as far as the road goes and behind every crest.
///
/// # Shapes
/// - `instance`: `height × width`
fn seen_gap_m(measures: &Measures, instance: &[u16]) -> Option<f32> {
    let gap_m = measures.gap_m.filter(|&gap_m| gap_m < GAP_MAX_M)?;
    let lead = car_instance(measures.lead?);
    instance.contains(&lead).then_some(gap_m)
}

/// What perception calls the simulator's classes.
fn seen_class(class: u8) -> SegmentClass {
    match Class::from_index(class) {
        Class::Sky => SegmentClass::Sky,
        Class::Terrain => SegmentClass::Terrain,
        Class::Road => SegmentClass::Road,
        Class::Marking => SegmentClass::Marking,
        Class::Vehicle => SegmentClass::Vehicle,
        Class::Kerb | Class::Building | Class::Tree | Class::Sign => SegmentClass::Obstacle,
    }
}

// What a driver is rewarded for must be what its perception can say.
const _: () = assert!(roadproof_env::reward::GAP_REACH_M == GAP_MAX_M);
const _: () = assert!(CLASSES == 6, "every class of perception is named above");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::settings::{CollectSettings, HARDENED_CLOSE};
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn without_time_there_are_few_frames_and_not_none() {
        let text = "(drive: (camera: (width_px: 32, height_px: 16)), perception: (width: 32, height: 16, patch: 8),
            collect: (frames: 30, validation_frames: 10, worlds: 2, every: 3))";
        let settings = Settings::parse(text, Path::new("settings")).expect("settings that can be");
        let counts = |limit| {
            let time = Allotment { limit, later: Duration::ZERO };
            let data = collect(&settings, time, &Interrupt::never()).expect("drives that can be");
            (data.train.len(), data.validation.len())
        };
        assert_eq!(counts(Some(Duration::ZERO)), (2, 2));
        assert_eq!(counts(None), (30, 10));
        let (frames, _) = sample(&settings, &Interrupt::never()).expect("drives that can be");
        assert_eq!(frames.len(), 4);
    }

    #[test]
    fn drives_that_begin_close_show_what_is_right_ahead() {
        let near = |close: f32| {
            let text = format!(
                "(drive: (camera: (width_px: 32, height_px: 16)), perception: (width: 32, height: 16, patch: 8),
                collect: (frames: 3000, validation_frames: 10, worlds: 48, close: {close:?}))"
            );
            let settings = Settings::parse(&text, Path::new("settings")).expect("settings that can be");
            let time = Allotment { limit: None, later: Duration::ZERO };
            let frames = collect(&settings, time, &Interrupt::never()).expect("drives that can be").train;
            let gaps = (0..frames.len()).filter_map(|frame| frames.label(frame).gap_m);
            let nearer = [2.2, 4.0, 8.0].map(|limit_m| gaps.clone().filter(|gap_m| *gap_m < limit_m).count());
            println!("close {close}: {nearer:?} of {} frames nearer than 2.2, 4 and 8 m", frames.len());
            nearer[0]
        };
        let (never, usually, always) = (near(0.0), near(HARDENED_CLOSE), near(1.0));
        assert!(usually > 4 * (never + 1) && always > 2 * usually, "{never} {usually} {always}");
    }

    #[test]
    fn a_drive_that_begins_close_can_be_built_with_the_gap_that_was_drawn() {
        let settings = Settings {
            collect: CollectSettings { close: Some(1.0), ..CollectSettings::default() },
            ..Settings::default()
        };
        for road in 0..100 {
            let scenario = wandering_drive(Seed::of_split(Split::Train, 3, road), &settings);
            let episode = roadproof_sim::Episode::new(scenario).unwrap_or_else(|error| panic!("{road}: {error}"));
            let gap_m = episode.measures().gap_m.expect("a car ahead");
            assert!((CLOSE_M.0 - 0.2..CLOSE_M.1 + 0.2).contains(&gap_m), "{road}: {gap_m} m");
        }
    }

    /// The car behind the crest is 35 m ahead of who drives up to it, and shows once that one is on top.
    #[test]
    fn a_car_behind_a_crest_has_no_gap_until_it_shows() {
        let gaps = |s_m: f32| {
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 20.0, road: Segments(segments: [Line(length_m: 300.0)], \
                 speed_limit_mps: 14.0, hills: [(amplitude_m: 2.2, wavelength_m: 75.0)]), ego: (s_m: {s_m:?}, speed_mps: 5.0), \
                 actors: [(name: \"behind\", start: (lane: 0, s_m: {:?}, speed_mps: 0.0))])",
                s_m + 35.0
            );
            let episode =
                roadproof_sim::Episode::new(roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario"));
            let episode = episode.expect("a world");
            let seen = episode.seen();
            (seen.measures[0].gap_m, seen_gap_m(&seen.measures[0], seen.instance_frame(0)))
        };
        let places: Vec<_> = (0..8).map(|eighth| gaps(85.0 + 10.0 * eighth as f32)).collect();
        assert!(places.iter().all(|(gap_m, _)| gap_m.is_some()), "{places:?}");
        assert!(places.iter().any(|(_, seen_m)| seen_m.is_none()), "{places:?}");
        assert!(places.iter().any(|(gap_m, seen_m)| gap_m == seen_m), "{places:?}");
        let seen = |gap_m, lead, instance: &[u16]| {
            let mut measures = Measures::default();
            (measures.gap_m, measures.lead) = (Some(gap_m), Some(lead));
            seen_gap_m(&measures, instance)
        };
        assert_eq!(seen(GAP_MAX_M, 0, &[1; 4]), None, "what is that far off is no car ahead");
        assert_eq!((seen(9.0, 2, &[1, 2, 4]), seen(9.0, 2, &[1, 3])), (None, Some(9.0)));
    }
}
