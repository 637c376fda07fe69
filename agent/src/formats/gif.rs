//! Films as animated GIFs, for pages that play nothing else: one palette for the whole film, and only what changed in each picture.

use crate::formats::film::FilmSettings;
use anyhow::Context;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use std::borrow::Cow;

/// Pictures per second at most: two hundredths of a second is the least that browsers show as it is written.
pub(crate) const MOST_FPS: u32 = 50;
/// Levels of red, green and blue in the palette: 252 colours, and one for what stays.
const LEVELS: [usize; 3] = [6, 7, 6];
/// The colour that lets the last picture through.
const STAYS: u8 = 255;
/// Changes of a channel up to this are not worth a pixel.
const SAME: u8 = 6;

/// A film under way.
pub struct Gif {
    encoder: Encoder<Vec<u8>>,
    size: (usize, usize),
    fps: u32,
    count: u32,
    /// The last picture as it was encoded, before it was reduced to the palette.
    before: Vec<u8>,
}

impl Gif {
    /// Starts a film.
    ///
    /// # Errors
    /// If the size is more than the format knows.
    pub fn new(settings: &FilmSettings) -> anyhow::Result<Self> {
        let (width, height) = settings.size;
        let side = |length: u32| u16::try_from(length).context("a GIF has at most 65535 pixels a side");
        let mut encoder =
            Encoder::new(Vec::new(), side(width)?, side(height)?, &palette()).context("starting the GIF")?;
        encoder.set_repeat(Repeat::Infinite).context("starting the GIF")?;
        let size = (width as usize, height as usize);
        Ok(Self { encoder, size, fps: settings.fps, count: 0, before: Vec::new() })
    }

    /// Adds a picture, `height × width × 3`.
    ///
    /// # Errors
    /// If the picture is not of the film's size.
    pub fn add(&mut self, rgb: &[u8]) -> anyhow::Result<()> {
        let (width, height) = self.size;
        anyhow::ensure!(
            rgb.len() == 3 * width * height,
            "a picture of {} bytes in a film of {width} x {height}",
            rgb.len()
        );
        let first = self.before.is_empty();
        if first {
            self.before = rgb.to_vec();
        }
        let mut indices = Vec::with_capacity(width * height);
        for (pixel, (now, before)) in rgb.chunks_exact(3).zip(self.before.chunks_exact_mut(3)).enumerate() {
            let same = now.iter().zip(before.iter()).all(|(a, b)| a.abs_diff(*b) <= SAME);
            if same && !first {
                indices.push(STAYS);
            } else {
                before.copy_from_slice(now);
                indices.push(index_of(now, pixel % width, pixel / width));
            }
        }
        // Hundredths of a second, rounded so that the film as a whole keeps its time.
        let hundredths = |count: u32| 100 * count / self.fps;
        let frame = Frame {
            width: width as u16,
            height: height as u16,
            delay: (hundredths(self.count + 1) - hundredths(self.count)) as u16,
            dispose: DisposalMethod::Keep,
            transparent: Some(STAYS),
            buffer: Cow::Owned(indices),
            ..Frame::default()
        };
        self.count += 1;
        self.encoder.write_frame(&frame).context("adding a picture to the GIF")
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If the file cannot be completed.
    pub fn finish(self) -> anyhow::Result<Vec<u8>> {
        self.encoder.into_inner().context("completing the GIF")
    }
}

fn palette() -> Vec<u8> {
    let level = |index: usize, count: usize| (255 * index / (count - 1)) as u8;
    let [reds, greens, blues] = LEVELS;
    let mut palette = Vec::new();
    for red in 0..reds {
        for green in 0..greens {
            for blue in 0..blues {
                palette.extend([level(red, reds), level(green, greens), level(blue, blues)]);
            }
        }
    }
    palette.resize(3 * 256, 0);
    palette
}

/// The palette's nearest colour, each pixel rounded up or down by its place in a pattern.
///
/// # Source
/// Bayer 1973, "An optimum method for two-level rendition of continuous-tone pictures": a fixed pattern, so that what stands still
/// does not flicker.
fn index_of(rgb: &[u8], x: usize, y: usize) -> u8 {
    const BAYER: [[u8; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    let threshold = (f32::from(BAYER[y % 4][x % 4]) + 0.5) / 16.0;
    rgb.iter().zip(LEVELS).fold(0, |index, (value, levels)| {
        let place = f32::from(*value) / 255.0 * (levels - 1) as f32;
        let level = ((place + threshold) as usize).min(levels - 1);
        index * levels + level
    }) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_shows_the_pictures_it_was_made_of() {
        let settings = FilmSettings { size: (24, 16), fps: 8, seconds: 1.0 };
        let picture = |step: u8| -> Vec<u8> {
            (0..24 * 16)
                .flat_map(|pixel| if pixel % 24 < usize::from(step) { [200, 40, 90] } else { [20, 120, 220] })
                .collect()
        };
        let mut film = Gif::new(&settings).expect("a film");
        (0..5).for_each(|step| film.add(&picture(4 * step)).expect("a picture"));
        let bytes = film.finish().expect("a file");
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).expect("a GIF");
        let mut canvas = vec![0; 3 * 24 * 16];
        let (mut count, mut hundredths) = (0, 0);
        while let Some(frame) = decoder.read_next_frame().expect("a frame") {
            for (shown, pixel) in canvas.chunks_exact_mut(3).zip(frame.buffer.chunks_exact(4)) {
                if pixel[3] > 0 {
                    shown.copy_from_slice(&pixel[..3]);
                }
            }
            hundredths += u32::from(frame.delay);
            let error: f32 =
                canvas.iter().zip(picture(4 * count)).map(|(a, b)| f32::from(*a) - f32::from(b)).sum::<f32>()
                    / canvas.len() as f32;
            assert!(error.abs() < 4.0, "picture {count}: {error} off in the mean");
            count += 1;
        }
        assert_eq!((count, hundredths), (5, 62));
    }
}
