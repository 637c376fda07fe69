//! Presses keys and moves the mouse the way the window system does: as messages, at the start of a picture.

use bevy::ecs::system::SystemParam;
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::input::mouse::MouseButtonInput;
use bevy::prelude::*;
use bevy::window::{CursorMoved, PrimaryWindow, WindowEvent};

/// Keys that are down, and for how many pictures more.
#[derive(Resource, Default)]
pub struct Down {
    keys: Vec<(KeyCode, usize)>,
    mouse: bool,
}

/// Writes input messages.
#[derive(SystemParam)]
pub struct Inputs<'w, 's> {
    down: ResMut<'w, Down>,
    keyboard: MessageWriter<'w, KeyboardInput>,
    buttons: MessageWriter<'w, MouseButtonInput>,
    cursor: MessageWriter<'w, CursorMoved>,
    /// The panel listens to these, which the window system writes beside the others.
    events: MessageWriter<'w, WindowEvent>,
    window: Query<'w, 's, Entity, With<PrimaryWindow>>,
}

impl Inputs<'_, '_> {
    /// Holds a key for so many pictures.
    pub fn hold(&mut self, key: KeyCode, pictures: usize) {
        self.write(key, ButtonState::Pressed);
        self.down.keys.push((key, pictures));
    }

    /// Moves the mouse to a place of the window and presses its left button.
    pub fn click(&mut self, position: Vec2) {
        let Ok(window) = self.window.single() else { return };
        let moved = CursorMoved { window, position, delta: None };
        self.events.write(WindowEvent::CursorMoved(moved.clone()));
        self.cursor.write(moved);
        self.button(ButtonState::Pressed);
        self.down.mouse = true;
    }

    /// One picture later: keys whose time is up come up again.
    pub fn pass(&mut self) {
        let mut keys = std::mem::take(&mut self.down.keys);
        keys.retain_mut(|(key, left)| {
            *left -= 1;
            if *left == 0 {
                self.write(*key, ButtonState::Released);
            }
            *left > 0
        });
        self.down.keys = keys;
        if std::mem::take(&mut self.down.mouse) {
            self.button(ButtonState::Released);
        }
    }

    fn button(&mut self, state: ButtonState) {
        let Ok(window) = self.window.single() else { return };
        let input = MouseButtonInput { button: MouseButton::Left, state, window };
        self.events.write(WindowEvent::MouseButtonInput(input));
        self.buttons.write(input);
    }

    fn write(&mut self, key_code: KeyCode, state: ButtonState) {
        let Ok(window) = self.window.single() else { return };
        let logical_key = Key::Unidentified(bevy::input::keyboard::NativeKey::Unidentified);
        self.keyboard.write(KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window });
    }
}
