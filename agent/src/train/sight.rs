//! What perception makes of a frame as a picture: the frame, its true classes, and those that are seen, one below the other. Whether it
//! works shows at a glance there.

use crate::formats::pictures::class_colour;
use roadproof_perception::{CELL_PX, Dataset, Perception, SegmentClass};
use roadproof_sim::Class;

/// The gap ahead in the frame that is shown, about.
const SHOWN_GAP_M: f32 = 12.0;

/// The frame that shows most: the one with a car nearest to a dozen metres ahead, or the first.
pub fn telling_frame(frames: &Dataset) -> usize {
    let away = |frame: &usize| frames.label(*frame).gap_m.map_or(f32::INFINITY, |gap_m| (gap_m - SHOWN_GAP_M).abs());
    (0..frames.len()).min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(0)
}

/// A frame, its true classes and what perception sees: width, height and pixels.
pub fn sight(perception: &Perception, frames: &Dataset, frame: usize) -> (u32, u32, Vec<u8>) {
    let (width, height) = (frames.width(), frames.height());
    let mut rgb = frames.frame(frame).to_vec();
    for cells in [frames.cells(frame), &perception.segment(frames.frame(frame))] {
        for row in 0..height {
            let cells = &cells[row / CELL_PX * (width / CELL_PX)..][..width / CELL_PX];
            rgb.extend((0..width).flat_map(|column| colour(cells[column / CELL_PX])));
        }
    }
    (width as u32, 3 * height as u32, rgb)
}

/// The colour of one of perception's classes: that of the simulator's class which it is named after.
fn colour(class: u8) -> [u8; 3] {
    let of = |seen: SegmentClass| class == seen as u8;
    class_colour(match class {
        _ if of(SegmentClass::Sky) => Class::Sky,
        _ if of(SegmentClass::Terrain) => Class::Terrain,
        _ if of(SegmentClass::Road) => Class::Road,
        _ if of(SegmentClass::Marking) => Class::Marking,
        _ if of(SegmentClass::Vehicle) => Class::Vehicle,
        _ => Class::Building,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_perception::{PerceptLabel, PerceptionSettings, Trainer, TrainingSettings};

    #[test]
    fn the_frame_with_a_car_ahead_is_shown_above_its_classes() {
        let mut frames = Dataset::new(32, 16);
        let label = |gap_m| PerceptLabel { lane_offset_m: 0.0, heading_rad: 0.0, curvature_per_m: 0.0, gap_m };
        for (shade, gap_m) in [(10, None), (20, Some(50.0)), (30, Some(11.0))] {
            let classes = [SegmentClass::Road as u8; 32 * 16];
            frames.push(&[shade; 32 * 16 * 3], &classes, label(gap_m)).expect("a frame of its size");
        }
        assert_eq!(telling_frame(&frames), 2);
        let settings = PerceptionSettings { width: 32, height: 16, ..PerceptionSettings::default() };
        let perception = Trainer::new(settings, TrainingSettings::default(), 1).expect("the sizes divide").perception();
        let (width, height, rgb) = sight(&perception, &frames, 2);
        assert_eq!((width, height, rgb.len()), (32, 48, 32 * 48 * 3));
        assert!(rgb[..32 * 16 * 3].iter().all(|value| *value == 30));
        assert!(rgb[32 * 16 * 3..2 * 32 * 16 * 3].chunks_exact(3).all(|pixel| *pixel == class_colour(Class::Road)));
    }
}
