//! Tiny labelled frames for this crate's tests: what must be read off them is plain, so a small network learns it fast.

use crate::classes::SegmentClass;
use crate::data::dataset::Dataset;
use crate::network::PerceptionSettings;
use crate::percept::PerceptLabel;
use crate::train::{Trainer, TrainingSettings};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const WIDTH: usize = 32;
const HEIGHT: usize = 16;
const HORIZON: usize = 4;

/// A network for 32 × 16 pixels.
pub(crate) fn settings() -> PerceptionSettings {
    PerceptionSettings { width: WIDTH, height: HEIGHT, patch: 4, stem_channels: 8, merge_channels: 16, hidden: 24 }
}

/// A trainer of that network in batches of 32.
pub(crate) fn trainer(seed: u64) -> Trainer {
    let training = TrainingSettings { batch: 32, ..TrainingSettings::default() };
    Trainer::new(settings(), training, seed).expect("the sizes divide")
}

/// Roads from above the bonnet: a white line tells offset and heading, the width of a red box the gap.
pub(crate) fn dataset(frames: usize, seed: u64) -> Dataset {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut dataset = Dataset::new(WIDTH, HEIGHT);
    for _ in 0..frames {
        let label = PerceptLabel {
            lane_offset_m: random.random_range(-1.0..1.0),
            heading_rad: random.random_range(-0.2..0.2),
            curvature_per_m: random.random_range(-0.01..0.01),
            gap_m: random.random_bool(0.5).then(|| random.random_range(2.0..40.0)),
        };
        let (rgb, class_map) = paint(&label);
        dataset.push(&rgb, &class_map, label).expect("the painter keeps the sizes");
    }
    dataset
}

fn paint(label: &PerceptLabel) -> (Vec<u8>, Vec<u8>) {
    let (mut rgb, mut class_map) = (Vec::new(), Vec::new());
    let box_half_px = label.gap_m.map_or(0.0, |gap_m| 40.0 / (gap_m + 5.0));
    for y in 0..HEIGHT {
        let below = y as f32 - HORIZON as f32;
        let line_px = 16.0 + 8.0 * label.lane_offset_m + below * label.heading_rad * 4.0;
        for x in 0..WIDTH {
            let centre_px = x as f32 + 0.5;
            let (colour, class) = if y < HORIZON {
                ([120, 160, 220], SegmentClass::Sky)
            } else if below < 4.0 && (centre_px - 16.0).abs() < box_half_px {
                ([200, 30, 20], SegmentClass::Vehicle)
            } else if (centre_px - line_px).abs() < 1.5 {
                ([240, 240, 240], SegmentClass::Marking)
            } else {
                ([90, 90, 95], SegmentClass::Road)
            };
            rgb.extend(colour);
            class_map.push(class as u8);
        }
    }
    (rgb, class_map)
}
