//! How well a perception sees: the field's metrics over frames it was not trained on.

use crate::classes::{CLASS_NAMES, CLASSES};
use crate::data::dataset::Dataset;
use crate::perception::Perception;
use serde::Serialize;

/// Frames that are held as percepts and cells at a time.
const BATCH: usize = 256;
/// A lead closer than this is near, in metres: about the braking distance from 20 m/s.
const NEAR_M: f32 = 30.0;
/// And closer than this a driver stops.
const CLOSE_M: f32 = 5.0;

/// Metrics of a perception on a dataset. `None` and NaN-free: a mean over nothing is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerceptionReport {
    /// Intersection over union of each class by name; `None` where neither truth nor prediction has the class.
    pub iou: Vec<(String, Option<f64>)>,
    /// Mean over the classes that occur.
    pub mean_iou: Option<f64>,
    /// Mean absolute error of the lane offset.
    pub lane_offset_mae_m: Option<f64>,
    /// Mean absolute error of the heading.
    pub heading_mae_rad: Option<f64>,
    /// Mean absolute error of the curvature.
    pub curvature_mae_per_m: Option<f64>,
    /// Mean absolute error of the gap over frames with a lead; a missed lead counts as seen at `GAP_MAX_M`.
    pub gap_mae_m: Option<f64>,
    /// The same over frames whose lead is closer than 30 m.
    pub gap_mae_near_m: Option<f64>,
    /// The same over frames whose lead is closer than 5 m.
    pub gap_mae_close_m: Option<f64>,
    /// Fraction of frames where a lead is seen exactly where there is one.
    pub lead_accuracy: Option<f64>,
    /// Frames of the dataset.
    pub frames: usize,
}

/// Measures a perception on frames it was not trained on.
///
/// # Panics
/// If the dataset has frames of another size.
pub fn report(perception: &Perception, validation: &Dataset) -> PerceptionReport {
    let (mut lane_offset, mut heading, mut curvature) = (Mean::default(), Mean::default(), Mean::default());
    let [mut gap, mut gap_near, mut gap_close, mut lead] = [(); 4].map(|()| Mean::default());
    let mut overlap = Overlap::default();
    for from in (0..validation.len()).step_by(BATCH) {
        let to = validation.len().min(from + BATCH);
        let rgb = validation.frames(from, to);
        for (index, percept) in (from..to).zip(perception.see(rgb)) {
            let label = validation.label(index);
            lane_offset.add((percept.lane_offset_m - label.lane_offset_m).abs());
            heading.add((percept.heading_rad - label.heading_rad).abs());
            curvature.add((percept.curvature_per_m - label.curvature_per_m).abs());
            let truth = label.lead_gap_m();
            lead.add(if truth.is_some() == (percept.lead_probability >= 0.5) { 1.0 } else { 0.0 });
            if let Some(gap_m) = truth {
                gap.add((percept.gap_m - gap_m).abs());
                if gap_m < CLOSE_M {
                    gap_close.add((percept.gap_m - gap_m).abs());
                }
                if gap_m < NEAR_M {
                    gap_near.add((percept.gap_m - gap_m).abs());
                }
            }
        }
        let truth = (from..to).flat_map(|index| validation.cells(index));
        for (&truth, found) in truth.zip(perception.segment(rgb)) {
            overlap.add(truth, found);
        }
    }
    let iou = overlap.iou();
    let mut mean_iou = Mean::default();
    iou.iter().flatten().for_each(|&iou| mean_iou.add(iou as f32));
    PerceptionReport {
        iou: CLASS_NAMES.iter().map(ToString::to_string).zip(iou).collect(),
        mean_iou: mean_iou.value(),
        lane_offset_mae_m: lane_offset.value(),
        heading_mae_rad: heading.value(),
        curvature_mae_per_m: curvature.value(),
        gap_mae_m: gap.value(),
        gap_mae_near_m: gap_near.value(),
        gap_mae_close_m: gap_close.value(),
        lead_accuracy: lead.value(),
        frames: validation.len(),
    }
}

/// A running mean.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1;
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Cells per class: in truth, found, and both.
#[derive(Default)]
struct Overlap {
    truth: [u64; CLASSES],
    found: [u64; CLASSES],
    both: [u64; CLASSES],
}

impl Overlap {
    fn add(&mut self, truth: u8, found: u8) {
        self.truth[usize::from(truth)] += 1;
        self.found[usize::from(found)] += 1;
        if truth == found {
            self.both[usize::from(truth)] += 1;
        }
    }

    fn iou(&self) -> Vec<Option<f64>> {
        let of_class = |class: usize| {
            let union = self.truth[class] + self.found[class] - self.both[class];
            (union > 0).then(|| self.both[class] as f64 / union as f64)
        };
        (0..CLASSES).map(of_class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_counts_cells_and_leaves_absent_classes_out() {
        let mut overlap = Overlap::default();
        for (truth, found) in [(2, 2), (2, 2), (2, 3), (3, 3), (1, 2)] {
            overlap.add(truth, found);
        }
        assert_eq!(overlap.iou(), [None, Some(0.0), Some(0.5), Some(0.5), None, None]);
    }

    #[test]
    fn a_mean_over_nothing_is_none() {
        assert_eq!(Mean::default().value(), None);
    }
}
