//! Presses keys and moves the mouse the way the window system does: as messages, at the start of a picture.

use bevy::ecs::system::SystemParam;
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::input::mouse::MouseButtonInput;
use bevy::prelude::*;
use bevy::window::{CursorMoved, PrimaryWindow};

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
        self.cursor.write(CursorMoved { window, position, delta: None });
        self.buttons.write(MouseButtonInput { button: MouseButton::Left, state: ButtonState::Pressed, window });
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
        if std::mem::take(&mut self.down.mouse)
            && let Ok(window) = self.window.single()
        {
            self.buttons.write(MouseButtonInput { button: MouseButton::Left, state: ButtonState::Released, window });
        }
    }

    fn write(&mut self, key_code: KeyCode, state: ButtonState) {
        let Ok(window) = self.window.single() else { return };
        let logical_key = Key::Unidentified(bevy::input::keyboard::NativeKey::Unidentified);
        self.keyboard.write(KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window });
    }
}
