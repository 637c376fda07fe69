//! Presses keys and moves the mouse the way the window system does: as messages, at the start of a picture.

use bevy::ecs::system::SystemParam;
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::input::mouse::{MouseButtonInput, MouseMotion, MouseScrollUnit, MouseWheel};
use bevy::input::touch::TouchPhase;
use bevy::prelude::*;
use bevy::window::{CursorMoved, PrimaryWindow, WindowEvent};

/// Keys that are down, and for how many pictures more.
#[derive(Resource, Default)]
pub struct Down {
    keys: Vec<(KeyCode, usize)>,
    mouse: Option<MouseButton>,
    /// How far each picture drags, and for how many more.
    drag: Option<(Vec2, usize)>,
}

/// Writes input messages.
#[derive(SystemParam)]
pub struct Inputs<'w, 's> {
    down: ResMut<'w, Down>,
    keyboard: MessageWriter<'w, KeyboardInput>,
    buttons: MessageWriter<'w, MouseButtonInput>,
    motion: MessageWriter<'w, MouseMotion>,
    wheel: MessageWriter<'w, MouseWheel>,
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
        self.button(MouseButton::Left, ButtonState::Pressed);
        self.down.mouse = Some(MouseButton::Left);
    }

    /// Presses the right button and moves the mouse so far with each of some pictures.
    pub fn drag(&mut self, delta: Vec2, pictures: usize) {
        self.button(MouseButton::Right, ButtonState::Pressed);
        self.down.drag = Some((delta, pictures));
    }

    /// Turns the mouse wheel by so many notches, in the middle of the world.
    pub fn scroll(&mut self, y: f32) {
        let Ok(window) = self.window.single() else { return };
        let moved = CursorMoved { window, position: Vec2::new(200.0, 150.0), delta: None };
        self.events.write(WindowEvent::CursorMoved(moved.clone()));
        self.cursor.write(moved);
        self.wheel.write(MouseWheel { unit: MouseScrollUnit::Line, x: 0.0, y, window, phase: TouchPhase::Moved });
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
        if let Some(button) = self.down.mouse.take() {
            self.button(button, ButtonState::Released);
        }
        if let Some((delta, left)) = self.down.drag.take() {
            if left == 0 {
                self.button(MouseButton::Right, ButtonState::Released);
            } else {
                self.motion.write(MouseMotion { delta });
                self.down.drag = Some((delta, left - 1));
            }
        }
    }

    fn button(&mut self, button: MouseButton, state: ButtonState) {
        let Ok(window) = self.window.single() else { return };
        let input = MouseButtonInput { button, state, window };
        self.events.write(WindowEvent::MouseButtonInput(input));
        self.buttons.write(input);
    }

    fn write(&mut self, key_code: KeyCode, state: ButtonState) {
        let Ok(window) = self.window.single() else { return };
        let logical_key = match key_code {
            KeyCode::Tab => Key::Tab,
            KeyCode::Space => Key::Space,
            _ => Key::Unidentified(bevy::input::keyboard::NativeKey::Unidentified),
        };
        let input = KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window };
        self.events.write(WindowEvent::KeyboardInput(input.clone()));
        self.keyboard.write(input);
    }
}
