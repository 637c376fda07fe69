//! What attacks share that look for the nearest frame on the other side of a decision.

use crate::attack::{Attacked, Batch, Budget, Classifier, Norm};

/// The nearest frames an attack found with another class than the clean ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// `frames × height × width × 3`, 0 to 1; the clean frame where none was found.
    pub pixels: Vec<f32>,
    /// Distance of each from the clean one, infinite where none was found.
    pub distances: Vec<f32>,
}

impl Nearest {
    pub(crate) fn begin(batch: &Batch) -> Self {
        Self { pixels: batch.clean.clone(), distances: vec![f32::INFINITY; batch.len()] }
    }

    /// Keeps a frame if it is nearer than what there is.
    pub(crate) fn keep_nearer(&mut self, row: usize, frame: &[f32], distance: f32) {
        if distance < self.distances[row] {
            self.distances[row] = distance;
            self.pixels[row * frame.len()..(row + 1) * frame.len()].copy_from_slice(frame);
        }
    }

    /// The frames that are within a budget, the clean ones in place of the others. The outcomes are margins.
    #[must_use]
    pub fn within(&self, classifier: &impl Classifier, batch: &Batch, budget: &Budget) -> Attacked {
        let mut attacked = Attacked::of_classes(classifier, batch);
        let near: Vec<usize> = (0..batch.len()).filter(|&row| self.distances[row] <= budget.eps).collect();
        attacked.try_rows(classifier, batch, &near, |part, rows| {
            let length = part.frame_len();
            rows.iter().flat_map(|&row| &self.pixels[row * length..(row + 1) * length]).copied().collect()
        });
        attacked
    }
}

/// Of each frame, the nearest boundary to one of its rivals, were the scores linear from here.
pub(crate) struct Boundaries {
    /// How much more the rival scores than the frame's own class.
    pub leads: Vec<f32>,
    /// Gradients of that.
    pub slopes: Vec<f32>,
}

impl Boundaries {
    /// # Shapes
    /// - `rivals`: as many for each frame
    pub fn nearest(
        classifier: &impl Classifier,
        batch: &Batch,
        pixels: &[f32],
        rivals: &[Vec<usize>],
        norm: Norm,
    ) -> Self {
        let length = batch.frame_len();
        let mut nearest = Self { leads: vec![0.0; batch.len()], slopes: vec![0.0; pixels.len()] };
        let mut distances = vec![f32::INFINITY; batch.len()];
        let mut gradient = vec![0.0; pixels.len()];
        for rival in 0..rivals.first().map_or(0, Vec::len) {
            let logits = classifier.gradients(&batch.frames, pixels, &mut gradient, |row, _, slopes| {
                slopes[rivals[row][rival]] = 1.0;
                slopes[batch.labels[row]] = -1.0;
            });
            for (row, logits) in logits.chunks_exact(classifier.classes()).enumerate() {
                let lead = logits[rivals[row][rival]] - logits[batch.labels[row]];
                let part = row * length..(row + 1) * length;
                let distance = lead.abs() / (dual(norm, &gradient[part.clone()]) + 1e-12);
                if distance < distances[row] {
                    (distances[row], nearest.leads[row]) = (distance, lead);
                    nearest.slopes[part.clone()].copy_from_slice(&gradient[part]);
                }
            }
        }
        nearest
    }
}

/// Which rows have another class than their own.
pub(crate) fn crossed(classifier: &impl Classifier, batch: &Batch, pixels: &[f32]) -> Vec<bool> {
    let logits = classifier.logits(&batch.frames, pixels);
    let rows = logits.chunks_exact(classifier.classes()).zip(&batch.labels);
    rows.map(|(logits, &label)| logits.iter().any(|logit| *logit > logits[label])).collect()
}

/// Length of a slope in the norm dual to that of a distance.
pub(crate) fn dual(norm: Norm, slope: &[f32]) -> f32 {
    match norm {
        Norm::Linf => slope.iter().map(|value| value.abs()).sum(),
        Norm::L2 => slope.iter().map(|value| value * value).sum::<f32>().sqrt(),
    }
}

/// Length of a change.
pub(crate) fn length(norm: Norm, changes: impl Iterator<Item = f32>) -> f32 {
    match norm {
        Norm::Linf => changes.fold(0.0, |most, change| most.max(change.abs())),
        Norm::L2 => changes.map(|change| change * change).sum::<f32>().sqrt(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The distance of each frame from the nearest plane, where the range of pixels is in nobody's way.
    pub(crate) fn distances(planes: &crate::attack::classifier::tests::Planes, batch: &Batch, norm: Norm) -> Vec<f32> {
        let logits = planes.logits(&batch.frames, &batch.clean);
        let nearest = |(logits, &label): (&[f32], &usize)| {
            let others = (0..6).filter(|&class| class != label);
            let distance = |class: usize| {
                let slope: Vec<f32> =
                    planes.weights[class].iter().zip(&planes.weights[label]).map(|(a, b)| a - b).collect();
                (logits[label] - logits[class]) / dual(norm, &slope)
            };
            others.map(distance).fold(f32::INFINITY, f32::min)
        };
        logits.chunks_exact(6).zip(&batch.labels).map(nearest).collect()
    }
}
