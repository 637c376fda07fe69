//! The window for real: it opens on a display, drives, obeys every key and the mouse, is photographed, and closes with exit code 0.
//! It has a `main` of its own, because windows belong to the first thread of a program; CI runs it under Xvfb with a software
//! driver.

mod checks;
mod inputs;
mod photographs;

use bevy::prelude::*;
use checks::{Before, Check, Press, checks};
use inputs::{Down, Inputs};
use photographs::{COMPARED, photograph};
use roadproof_agent::watch::window::app::{self, Quality, Screen, Step};
use roadproof_agent::watch::window::display::{check_display, check_graphics};
use roadproof_agent::watch::window::session::{Choice, Session, Watched};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Size of the window.
const SIZE: (u32, u32) = (640, 360);
/// The drive before anything is pressed: ten seconds, at a pace that does not depend on the machine.
const PICTURES_PER_S: f64 = 10.0;
const DRIVE_PICTURES: usize = 100;
/// Pictures that a dragging mouse takes.
const DRAG_PICTURES: usize = 2;

/// The one test here, for those who ask for some by name.
const NAME: &str = "the_window_does_what_is_asked";

fn main() -> ExitCode {
    if !asked_for(std::env::args().skip(1)) {
        println!("{NAME}: filtered out");
        return ExitCode::SUCCESS;
    }
    let graphics = match check_display().and_then(|()| check_graphics()) {
        Ok(graphics) => graphics,
        Err(error) => {
            eprintln!("the window test needs both, which `.ci/run` installs and starts: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let scenario = |name: &str| {
        let path = repository().join("scenarios").join(name).with_extension("ron");
        Choice {
            name: name.to_owned(),
            scenario: roadproof_sim::read(&path).expect("a scenario of the repository").into_scenario(),
        }
    };
    let scenarios = vec![scenario("cut_in/from_left"), scenario("following/slow_lead")];
    let session = Session::new("shipped", scenarios, None).expect("a session");
    let mut app = app::build(session, Screen::Window(SIZE.0, SIZE.1), Quality::for_graphics(graphics));
    let left = checks();
    let photographs = left.iter().filter(|check| matches!(check.press, Press::Photograph(_))).count();
    // What the last key asks for is that the window closes well, which nobody inside of it can see.
    let checked = left.len() - 1;
    app.insert_resource(Step(Some(1.0 / PICTURES_PER_S)))
        .insert_resource(Play { picture: 0, current: None, waits: 0, left })
        .init_resource::<Down>()
        .add_systems(First, play.after(bevy::ecs::message::MessageUpdateSystems));
    let closed = app.run();
    let done = (CHECKED.load(Ordering::Relaxed), COMPARED.load(Ordering::Relaxed));
    println!("{} of {checked} checks, {} of {photographs} photographs, closed with {closed:?}", done.0, done.1);
    if closed == AppExit::Success && done == (checked, photographs) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether `cargo test` was asked for all tests or for this one: with `cargo test NAME` it starts every program of tests.
fn asked_for(arguments: impl Iterator<Item = String>) -> bool {
    let mut names = arguments.filter(|argument| !argument.starts_with('-')).peekable();
    names.peek().is_none() || names.any(|name| NAME.contains(&name))
}

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the repository").to_owned()
}

/// Checks that held.
static CHECKED: AtomicUsize = AtomicUsize::new(0);

/// How far the test is.
#[derive(Resource)]
struct Play {
    picture: usize,
    /// What was pressed last, and how things stood before.
    current: Option<(Check, Before)>,
    /// Pictures until it must have done its work.
    waits: usize,
    left: Vec<Check>,
}

fn play(
    mut play: ResMut<Play>,
    watched: Res<Watched>,
    camera: Query<&Transform, With<Camera3d>>,
    mut inputs: Inputs,
    mut commands: Commands,
) {
    play.picture += 1;
    inputs.pass();
    let session = &watched.0;
    // The first picture comes before the camera.
    let Ok(camera) = camera.single() else { return };
    if play.picture < DRIVE_PICTURES {
        return;
    }
    if play.picture == DRIVE_PICTURES {
        let time_s = session.moment().measures.time_s;
        assert!((9.0..=10.0).contains(&time_s), "ten seconds of pictures show {time_s} s of the drive");
        println!("ok   ten seconds are driven");
    }
    if play.waits > 0 {
        play.waits -= 1;
        return;
    }
    if let Some((check, before)) = play.current.take() {
        let now = Before::of(session, camera);
        assert!((check.holds)(session, &now, &before), "{}: before {before:?}, after {now:?}", check.words);
        println!("ok   {}", check.words);
        CHECKED.fetch_add(1, Ordering::Relaxed);
    }
    if play.left.is_empty() {
        return;
    }
    let check = play.left.remove(0);
    play.waits = match check.press {
        Press::Key(key) => {
            inputs.hold(key, 1);
            2
        }
        Press::Hold(key, pictures) => {
            inputs.hold(key, pictures);
            pictures + 1
        }
        Press::Click(place) => {
            inputs.click(place);
            3
        }
        Press::Drag(delta) => {
            inputs.drag(delta, DRAG_PICTURES);
            DRAG_PICTURES + 3
        }
        Press::Scroll(notches) => {
            inputs.scroll(notches);
            3
        }
        Press::Photograph(name) => {
            photograph(&mut commands, name);
            8
        }
    };
    play.current = Some((check, Before::of(session, camera)));
}
