//! Every key, a click, and what must be so a moment later.

use bevy::prelude::{KeyCode, Quat, Transform, Vec2, Vec3};
use roadproof_agent::watch::drive::Hands;
use roadproof_agent::watch::window::orders::{CameraMode, Order, key_orders};
use roadproof_agent::watch::window::session::Session;

/// How things stood before something was pressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    pub paused: bool,
    pub shown: usize,
    pub last: usize,
    pub pace: f64,
    pub drives: u64,
    pub title: String,
    pub driver: usize,
    pub hands: Hands,
    pub faults: usize,
    pub chosen: &'static str,
    pub severity: u8,
    pub camera: CameraMode,
    pub panel: bool,
    pub overlay: bool,
    pub saliency: bool,
    pub help: bool,
    pub camera_at: Vec3,
    pub camera_looks: Quat,
}

impl Before {
    pub fn of(session: &Session, camera: &Transform) -> Self {
        Self {
            paused: session.paused(),
            shown: session.shown(),
            last: session.drive().last(),
            pace: session.pace(),
            drives: session.drives(),
            title: session.title(),
            driver: session.drivers().1,
            hands: session.drive().hands().clone(),
            faults: session.drive().faults().len(),
            chosen: session.chosen_fault().0.name(),
            severity: session.chosen_fault().1,
            camera: session.shows.camera,
            panel: session.shows.panel,
            overlay: session.shows.overlay,
            saliency: session.shows.saliency,
            help: session.shows.help,
            camera_at: camera.translation,
            camera_looks: camera.rotation,
        }
    }
}

/// Something to press, and what must be so a moment later.
pub struct Check {
    pub words: String,
    pub press: Press,
    /// Told what is so now and how it stood before.
    pub holds: Box<dyn Fn(&Session, &Before, &Before) -> bool + Send + Sync>,
}

#[derive(Clone, Copy)]
pub enum Press {
    Key(KeyCode),
    Hold(KeyCode, usize),
    Click(Vec2),
    /// Drags with the right button held, pixels per picture.
    Drag(Vec2),
    /// Turns the mouse wheel, notches.
    Scroll(f32),
    Photograph(&'static str),
}

struct Checks(Vec<Check>);

impl Checks {
    /// Adds the key of an order.
    fn key(&mut self, order: Order, holds: fn(&Session, &Before) -> bool) {
        let found = key_orders().into_iter().find(|key| key.order == order).expect("every order here has a key");
        let words = format!("{}: {}", found.name, found.words);
        self.0.push(Check {
            words,
            press: Press::Key(found.key),
            holds: Box::new(move |session, _, before| holds(session, before)),
        });
    }

    /// Photographs what is there while the drive stands still.
    fn photograph(&mut self, name: &'static str) {
        self.0.push(Check {
            words: format!("the drive stands still for the photograph {name}"),
            press: Press::Photograph(name),
            holds: Box::new(|session, _, before| session.paused() && session.shown() == before.shown),
        });
    }

    /// Adds something that moves the camera.
    fn moves(&mut self, words: &str, press: Press, holds: fn(now: &Before, before: &Before) -> bool) {
        let holds = Box::new(move |_: &Session, now: &Before, before: &Before| holds(now, before));
        self.0.push(Check { words: words.to_owned(), press, holds });
    }
}

/// The button that pauses, in the lower left corner of the window.
const PAUSE_BUTTON: Vec2 = Vec2::new(16.0, 351.0);

/// All of them, in an order in which each finds what it needs. Closing comes last.
pub fn checks() -> Vec<Check> {
    let mut checks = Checks(Vec::new());
    let checks = &mut checks;
    checks.key(Order::Pause, |session, before| session.paused() && !before.paused);
    checks.key(Order::StepOn, |session, before| session.shown() == before.shown + 1);
    checks.key(Order::StepBack, |session, before| {
        session.shown() == before.shown - 1 && session.drive().last() == before.last
    });
    checks.key(Order::Slower, |session, before| session.pace() < before.pace);
    checks.key(Order::Faster, |session, before| session.pace() > before.pace);
    checks.key(Order::Branch, |session, before| session.drive().last() == before.shown);
    checks.key(Order::NextFault, |session, before| session.chosen_fault().0.name() != before.chosen);
    checks.key(Order::PreviousFault, |session, _| session.chosen_fault().0.name() == "GaussianNoise");
    for (severity, holds) in [
        (1, (|session, _| session.chosen_fault().1 == 1) as fn(&Session, &Before) -> bool),
        (2, |session, _| session.chosen_fault().1 == 2),
        (3, |session, _| session.chosen_fault().1 == 3),
        (4, |session, _| session.chosen_fault().1 == 4),
        (5, |session, _| session.chosen_fault().1 == 5),
    ] {
        checks.key(Order::Severity(severity), holds);
    }
    checks.key(Order::ToggleFault, |session, before| session.drive().faults().len() == before.faults + 1);
    checks.key(Order::StepOn, |session, _| session.moment().frame != session.moment().clean);
    checks.key(Order::Overlay, |session, before| session.shows.overlay != before.overlay);
    checks.key(Order::Overlay, |session, before| session.shows.overlay != before.overlay);
    checks.key(Order::Saliency, |session, _| session.shows.saliency);
    checks.key(Order::Saliency, |session, _| !session.shows.saliency);
    checks.key(Order::Physics, |session, _| session.shows.physics);
    checks.key(Order::Physics, |session, _| !session.shows.physics);
    checks.key(Order::Camera(CameraMode::Seat), |session, _| session.shows.camera == CameraMode::Seat);
    checks.photograph("seat");
    checks.key(Order::Camera(CameraMode::Free), |session, _| session.shows.camera == CameraMode::Free);
    checks.moves("W flies ahead", Press::Hold(KeyCode::KeyW, 4), |now, before| {
        (now.camera_at - before.camera_at).normalize_or_zero().dot(before.camera_looks * Vec3::NEG_Z) > 0.99
    });
    checks.moves("the right button turns the free camera", Press::Drag(Vec2::new(30.0, 0.0)), |now, before| {
        now.camera_at == before.camera_at && now.camera_looks.angle_between(before.camera_looks) > 0.1
    });
    checks.key(Order::Camera(CameraMode::Top), |session, _| session.shows.camera == CameraMode::Top);
    checks.photograph("top");
    checks.key(Order::Camera(CameraMode::Sensor), |session, _| session.shows.camera == CameraMode::Sensor);
    checks.photograph("sensor");
    checks.key(Order::Camera(CameraMode::Chase), |session, _| session.shows.camera == CameraMode::Chase);
    checks.key(Order::Help, |session, _| session.shows.help);
    checks.photograph("help");
    checks.key(Order::Help, |session, _| !session.shows.help);
    checks.key(Order::Panel, |session, _| !session.shows.panel);
    checks.key(Order::Panel, |session, _| session.shows.panel);
    checks.photograph("window");
    checks.moves("the mouse wheel comes nearer", Press::Scroll(3.0), |now, before| {
        (now.camera_at - before.camera_at).normalize_or_zero().dot(before.camera_looks * Vec3::NEG_Z) > 0.8
    });
    checks.moves("the right button goes round the car", Press::Drag(Vec2::new(60.0, 0.0)), |now, before| {
        now.camera_at.distance(before.camera_at) > 1.0 && (now.camera_at.y - before.camera_at.y).abs() < 0.5
    });
    checks.key(Order::ToggleFault, |session, before| session.drive().faults().len() == before.faults - 1);
    checks.key(Order::NextDriver, |session, before| session.drivers().1 == before.driver + 1);
    // Tab chooses the driver and nothing else: no button of the panel may have become what Space presses.
    checks.key(Order::Pause, |session, _| !session.paused());
    checks.key(Order::Pause, |session, _| session.paused());
    checks.key(Order::Wheel, |session, _| *session.drive().hands() == Hands::Wheel);
    checks.0.push(Check {
        words: "a click goes on".to_owned(),
        press: Press::Click(PAUSE_BUTTON),
        holds: Box::new(|session, _, before| before.paused && !session.paused()),
    });
    checks.0.push(Check {
        words: "arrows steer while they are held".to_owned(),
        press: Press::Hold(KeyCode::ArrowLeft, 4),
        holds: Box::new(|session, _, _| {
            let taken = |moment: &roadproof_agent::watch::drive::Moment| moment.taken.map_or(0.0, |taken| taken.steer);
            session.drive().moments().iter().rev().take(6).any(|moment| taken(moment) > 0.01)
        }),
    });
    checks.key(Order::Wheel, |session, _| *session.drive().hands() == Hands::Driver);
    checks.key(Order::NextSeed, |session, before| session.title() == format!("{}, seed +1", before.title));
    checks.key(Order::Restart, |session, before| session.drives() == before.drives + 1 && session.shown() < 6);
    checks.key(Order::NextScenario, |session, _| session.title() == "following/slow_lead");
    checks.key(Order::PreviousScenario, |session, _| session.title() == "cut_in/from_left");
    checks.key(Order::Quit, |session, _| session.quit());
    std::mem::take(&mut checks.0)
}
