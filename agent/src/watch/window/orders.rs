//! Everything that whoever watches can ask for. Keys, buttons and tests all give the same orders.

use crate::watch::drive::LiveFault;
use bevy::input::keyboard::KeyCode;

/// Where the picture is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CameraMode {
    /// Behind the car, following smoothly.
    #[default]
    Chase,
    /// From the driver's seat.
    Seat,
    /// Wherever the keys and the mouse take it.
    Free,
    /// From above.
    Top,
    /// Where the car's own camera is, with its angle of view.
    Sensor,
}

impl CameraMode {
    /// All of them, in the order of the keys.
    pub const ALL: [Self; 5] = [Self::Chase, Self::Seat, Self::Free, Self::Top, Self::Sensor];

    /// Its name on buttons.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chase => "chase",
            Self::Seat => "seat",
            Self::Free => "free",
            Self::Top => "top",
            Self::Sensor => "sensor",
        }
    }
}

/// One wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Stop, or go on.
    Pause,
    /// One decision on.
    StepOn,
    /// One decision back.
    StepBack,
    /// Time runs slower.
    Slower,
    /// Time runs faster.
    Faster,
    /// The same drive from its start.
    Restart,
    /// The next scenario.
    NextScenario,
    /// The one before.
    PreviousScenario,
    /// The same scenario with the next seed.
    NextSeed,
    /// Look at this moment of the drive.
    Scrub(usize),
    /// Forget what came after the shown moment and go on from there.
    Branch,
    /// Take the wheel, or give it back.
    Wheel,
    /// The next driver.
    NextDriver,
    /// The driver of this place in the list.
    Driver(usize),
    /// Another camera.
    Camera(CameraMode),
    /// Show or hide the panel.
    Panel,
    /// Draw what perception sees over the frame, or do not.
    Overlay,
    /// Draw what the decision hangs on over the frame, or do not.
    Saliency,
    /// Draw what physics has over the picture, or do not.
    Physics,
    /// Switch the chosen fault on or off.
    ToggleFault,
    /// Choose the next fault.
    NextFault,
    /// Choose the fault before.
    PreviousFault,
    /// Severity of the chosen fault, 1 to 5.
    Severity(u8),
    /// Exactly these faults.
    Faults(Vec<LiveFault>),
    /// Show or hide the keys.
    Help,
    /// Close the window.
    Quit,
}

/// A key, what it does, and the words for it.
pub struct KeyOrder {
    /// The key.
    pub key: KeyCode,
    /// Its name for people.
    pub name: &'static str,
    /// What it orders.
    pub order: Order,
    /// That in words.
    pub words: &'static str,
}

/// What each key orders; steering and flying keys are held and stand in [`HELD_KEYS`].
#[must_use]
pub fn key_orders() -> Vec<KeyOrder> {
    let key = |key, name, order, words| KeyOrder { key, name, order, words };
    vec![
        key(KeyCode::Space, "Space", Order::Pause, "pause or go on"),
        key(KeyCode::Period, ".", Order::StepOn, "one decision on"),
        key(KeyCode::Comma, ",", Order::StepBack, "one decision back"),
        key(KeyCode::Minus, "-", Order::Slower, "slower"),
        key(KeyCode::Equal, "=", Order::Faster, "faster"),
        key(KeyCode::KeyR, "R", Order::Restart, "restart"),
        key(KeyCode::KeyN, "N", Order::NextScenario, "next scenario"),
        key(KeyCode::KeyP, "P", Order::PreviousScenario, "previous scenario"),
        key(KeyCode::KeyG, "G", Order::NextSeed, "next seed"),
        key(KeyCode::KeyB, "B", Order::Branch, "go on from the shown moment"),
        key(KeyCode::KeyT, "T", Order::Wheel, "take the wheel or give it back"),
        key(KeyCode::Tab, "Tab", Order::NextDriver, "next driver"),
        key(KeyCode::Digit1, "1", Order::Camera(CameraMode::Chase), "camera: chase"),
        key(KeyCode::Digit2, "2", Order::Camera(CameraMode::Seat), "camera: driver's seat"),
        key(KeyCode::Digit3, "3", Order::Camera(CameraMode::Free), "camera: free"),
        key(KeyCode::Digit4, "4", Order::Camera(CameraMode::Top), "camera: from above"),
        key(KeyCode::Digit5, "5", Order::Camera(CameraMode::Sensor), "camera: the sensor's own"),
        key(KeyCode::KeyI, "I", Order::Panel, "panel on or off"),
        key(KeyCode::KeyO, "O", Order::Overlay, "perception over the frame on or off"),
        key(KeyCode::KeyL, "L", Order::Saliency, "saliency on or off"),
        key(KeyCode::KeyX, "X", Order::Physics, "colliders, contacts and wheel rays on or off"),
        key(KeyCode::KeyF, "F", Order::ToggleFault, "chosen sensor fault on or off"),
        key(KeyCode::BracketRight, "]", Order::NextFault, "choose the next fault"),
        key(KeyCode::BracketLeft, "[", Order::PreviousFault, "choose the fault before"),
        key(KeyCode::F1, "F1", Order::Severity(1), "severity 1"),
        key(KeyCode::F2, "F2", Order::Severity(2), "severity 2"),
        key(KeyCode::F3, "F3", Order::Severity(3), "severity 3"),
        key(KeyCode::F4, "F4", Order::Severity(4), "severity 4"),
        key(KeyCode::F5, "F5", Order::Severity(5), "severity 5"),
        key(KeyCode::KeyH, "H", Order::Help, "these keys"),
        key(KeyCode::Escape, "Esc", Order::Quit, "close"),
    ]
}

/// Keys that act as long as they are held, and what they do.
pub const HELD_KEYS: [(&str, &str); 4] = [
    ("arrows", "steer, throttle and brake while you have the wheel"),
    ("W A S D, Q E", "fly the free camera, down and up; Shift is faster"),
    ("right mouse button", "turn the free camera, go round the car in chase"),
    ("mouse wheel", "nearer and further"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        let orders = key_orders();
        for (index, order) in orders.iter().enumerate() {
            for other in &orders[..index] {
                assert!(order.key != other.key && order.words != other.words, "{}", order.name);
            }
        }
        let cameras = orders.iter().filter(|order| matches!(order.order, Order::Camera(_))).count();
        assert_eq!(cameras, CameraMode::ALL.len());
    }
}
