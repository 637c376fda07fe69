//! Pictures of the window against small references.

use bevy::prelude::{Commands, Image, On};
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use roadproof_agent::formats::pictures::{read_png, write_png};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A reference pixel is the mean of a square of this side.
const SHRINK: usize = 4;
/// A photograph may differ from its reference by so many levels in the mean: drivers and libraries round differently.
const TOLERANCE: f32 = 5.0;

/// Photographs that were compared.
pub static COMPARED: AtomicUsize = AtomicUsize::new(0);

/// Photographs the window and compares it as soon as the picture is there. With `ROADPROOF_BLESS` set, it becomes the reference.
pub fn photograph(commands: &mut Commands, name: &'static str) {
    commands.spawn(Screenshot::primary_window()).observe(move |captured: On<ScreenshotCaptured>| {
        compare(name, &captured.image);
        COMPARED.fetch_add(1, Ordering::Relaxed);
    });
}

fn compare(name: &str, image: &Image) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let data = image.data.as_ref().expect("a photograph has pixels");
    let bytes = data.len() / (width * height);
    let blue_first =
        matches!(image.texture_descriptor.format, TextureFormat::Bgra8Unorm | TextureFormat::Bgra8UnormSrgb);
    let rgb = |x: usize, y: usize, channel: usize| {
        let channel = if blue_first { 2 - channel } else { channel };
        f32::from(data[bytes * (y * width + x) + channel])
    };
    let (columns, rows) = (width / SHRINK, height / SHRINK);
    let mut small = Vec::with_capacity(3 * columns * rows);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        for channel in 0..3 {
            let square =
                (0..SHRINK * SHRINK).map(|at| rgb(column * SHRINK + at % SHRINK, row * SHRINK + at / SHRINK, channel));
            small.push((square.sum::<f32>() / (SHRINK * SHRINK) as f32) as u8);
        }
    }
    let path = crate::repository().join("tests/window").join(name).with_extension("png");
    if std::env::var_os("ROADPROOF_BLESS").is_some() {
        write_png(&path, columns as u32, rows as u32, &small).expect("the reference is written");
        return;
    }
    let (reference_width, reference_height, reference) = read_png(&path).expect("the reference");
    assert_eq!((reference_width as usize, reference_height as usize), (columns, rows), "size of the photograph");
    let differences = small.iter().zip(&reference).map(|(a, b)| (f32::from(*a) - f32::from(*b)).abs());
    let mean = differences.sum::<f32>() / small.len() as f32;
    if mean > TOLERANCE {
        let found = std::env::temp_dir().join(format!("{name}.png"));
        write_png(&found, columns as u32, rows as u32, &small).expect("the photograph is written");
        panic!("the photograph {name} is {mean} levels off its reference; it lies in {found:?}");
    }
    println!("ok   photograph {name}: {mean:.2} levels off its reference");
}
