//! Frames as pictures for people.

use crate::host::files::{FileError, write_atomically};
use anyhow::Context;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, RgbColor, Size};
use roadproof_sim::Class;
use std::path::Path;

/// A picture that can be drawn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `height × width × 3`.
    pub rgb: Vec<u8>,
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if x < self.width && y < self.height {
                let first = 3 * (y * self.width + x) as usize;
                self.rgb[first..first + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// Writes an RGB picture as PNG.
///
/// # Shapes
/// - `rgb`: `height × width × 3`
///
/// # Errors
/// [`FileError`] if the file cannot be written.
///
/// # Panics
/// If `rgb` is not of that size.
pub fn write_png(path: &Path, width: u32, height: u32, rgb: &[u8]) -> Result<(), FileError> {
    write_atomically(path, &png_bytes(width, height, rgb))
}

/// Whether the bytes begin like a picture that this program wrote, which another may take the place of.
#[must_use]
pub fn is_own_picture(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"tEXtSoftware\0roadproof";
    let head = &bytes[..bytes.len().min(256)];
    head.starts_with(b"\x89PNG") && head.windows(MARK.len()).any(|window| window == MARK)
}

/// Reads a PNG as RGB: width, height and pixels; grey becomes three channels, transparency is left out.
///
/// # Errors
/// What is wrong, with the file.
pub fn read_png(path: &Path) -> anyhow::Result<(u32, u32, Vec<u8>)> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read the picture {path:?}"))?;
    let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let read = || -> Result<(u32, u32, Vec<u8>), png::DecodingError> {
        let mut reader = decoder.read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?];
        let frame = reader.next_frame(&mut bytes)?;
        bytes.truncate(frame.buffer_size());
        let rgb = match frame.color_type {
            png::ColorType::Grayscale => bytes.iter().flat_map(|grey| [*grey; 3]).collect(),
            png::ColorType::GrayscaleAlpha => bytes.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
            png::ColorType::Rgba => bytes.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            _ => bytes,
        };
        Ok((frame.width, frame.height, rgb))
    };
    read().with_context(|| format!("not a PNG picture: {path:?}"))
}

/// An RGB picture as the bytes of a PNG file.
///
/// # Panics
/// If `rgb` is not `height × width × 3` bytes.
#[must_use]
pub fn png_bytes(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    assert_eq!(rgb.len(), 3 * width as usize * height as usize, "an RGB picture of {width} × {height}");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let signed = encoder.add_text_chunk("Software".to_owned(), "roadproof".to_owned());
    let written = signed.and_then(|()| encoder.write_header()).and_then(|mut writer| writer.write_image_data(rgb));
    written.expect("a checked picture is encoded into memory");
    bytes
}

/// Depth as grey, near is bright; logarithmic, so that both a bumper and the horizon show: grey `g` means `1000^(1 − g/255)` m.
#[must_use]
pub fn depth_picture(depth_m: &[f32]) -> Vec<u8> {
    let grey = |depth_m: &f32| (255.0 * (1.0 - (depth_m.max(1.0).ln() / 1000.0_f32.ln()).min(1.0))) as u8;
    depth_m.iter().flat_map(|depth_m| [grey(depth_m); 3]).collect()
}

/// Classes in the colours of the Cityscapes palette, where it has them.
#[must_use]
pub fn class_picture(class: &[u8]) -> Vec<u8> {
    class.iter().flat_map(|class| class_colour(Class::from_index(*class))).collect()
}

/// The colour of a class in such pictures.
#[must_use]
pub fn class_colour(class: Class) -> [u8; 3] {
    match class {
        Class::Sky => [70, 130, 180],
        Class::Terrain => [152, 251, 152],
        Class::Road => [128, 64, 128],
        Class::Marking => [255, 255, 255],
        Class::Kerb => [244, 35, 232],
        Class::Building => [70, 70, 70],
        Class::Tree => [107, 142, 35],
        Class::Sign => [220, 220, 0],
        Class::Vehicle => [0, 0, 142],
    }
}

/// Every instance in a colour of its own, everything else black.
#[must_use]
pub fn instance_picture(instance: &[u16]) -> Vec<u8> {
    let colour = |instance: &u16| {
        let mixed = u32::from(*instance).wrapping_mul(0x9e37_79b1);
        if *instance == 0 {
            [0; 3]
        } else {
            [(mixed >> 24) as u8 | 64, (mixed >> 16) as u8 | 64, (mixed >> 8) as u8 | 64]
        }
    };
    instance.iter().flat_map(colour).collect()
}

/// Bytes as text.
///
/// # Source
/// RFC 4648, with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_read_back_from_grey() {
        for depth_m in [1.0_f32, 2.5, 10.0, 73.0, 400.0, 1000.0] {
            let grey = depth_picture(&[depth_m])[0];
            let read_m = 1000.0_f32.powf(1.0 - f32::from(grey) / 255.0);
            // A level is 2.7 % of the depth.
            assert!((read_m / depth_m - 1.0).abs() < 0.028, "{depth_m} m, grey {grey}: {read_m} m");
        }
        assert_eq!(depth_picture(&[0.3, 5000.0]), [255, 255, 255, 0, 0, 0]);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
