//! Many small pictures on one, each under its name.

use crate::formats::pictures::Picture;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_5X8;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{Drawable, Point, RgbColor};
use embedded_graphics::text::Text;

/// One picture.
pub struct Tile {
    /// What stands above it; ASCII.
    pub name: String,
    /// `height × width × 3`.
    pub rgb: Vec<u8>,
}

const GAP: usize = 4;
const LABEL: usize = 11;

/// Lays tiles of one size out in rows of so many.
///
/// # Panics
/// If a tile is not of that size.
#[must_use]
pub fn draw(tile_width: usize, tile_height: usize, columns: usize, tiles: &[Tile]) -> Picture {
    let rows = tiles.len().div_ceil(columns);
    // A name may be wider than its picture.
    let longest = tiles.iter().map(|tile| 5 * tile.name.len()).max().unwrap_or(0);
    let (step_x, step_y) = (tile_width.max(longest) + GAP, tile_height + LABEL + GAP);
    let (width, height) = (columns * step_x + GAP, rows * step_y + GAP);
    let mut sheet = Picture { width: width as u32, height: height as u32, rgb: vec![255; 3 * width * height] };
    for (index, tile) in tiles.iter().enumerate() {
        assert_eq!(tile.rgb.len(), 3 * tile_width * tile_height, "tiles of one size");
        let (left, top) = (GAP + index % columns * step_x, GAP + index / columns * step_y);
        let style = MonoTextStyle::new(&FONT_5X8, Rgb888::BLACK);
        let place = Point::new(left as i32, (top + LABEL - 4) as i32);
        // Drawing into memory cannot fail: the error type has no values.
        let Ok(_) = Text::new(&tile.name, place, style).draw(&mut sheet);
        for (row, line) in tile.rgb.chunks_exact(3 * tile_width).enumerate() {
            let at = 3 * ((top + LABEL + row) * width + left);
            sheet.rgb[at..at + line.len()].copy_from_slice(line);
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_where_they_belong_under_their_names() {
        let tile = |level: u8| Tile { name: format!("tile {level}"), rgb: vec![level; 3 * 40 * 20] };
        let sheet = draw(40, 20, 2, &[tile(10), tile(20), tile(30)]);
        let at = |x: usize, y: usize| sheet.rgb[3 * (y * sheet.width as usize + x)];
        assert_eq!((sheet.width, sheet.height), (92, 74));
        assert_eq!((at(4, 15), at(43, 34), at(48, 15), at(4, 50)), (10, 10, 20, 30));
        let ink = (0..15).flat_map(|y| (0..44).map(move |x| (x, y))).filter(|&(x, y)| at(x, y) == 0).count();
        assert!(ink > 20, "{ink} black pixels");
    }
}
