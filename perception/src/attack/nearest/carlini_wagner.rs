//! Carlini and Wagner's attack: the least change in L2 that changes the class, by Adam on the change and the margin together.
//!
//! # Source
//! Carlini and Wagner 2017, "Towards Evaluating the Robustness of Neural Networks", arXiv:1608.04644, section VI A; constants,
//! the search of the weight and giving up early as in foolbox 3.3.4, here for each frame by itself.

use crate::attack::classifier::ranked;
use crate::attack::nearest::minimum_norm::length;
use crate::attack::{Batch, Classifier, Nearest, Norm};

/// Searches for the weight of the margin.
const SEARCHES: usize = 9;
/// Its first value.
const FIRST_WEIGHT: f32 = 1e-3;
/// Step of Adam.
const LEARNING_RATE: f32 = 1e-2;
/// A tenth of the steps must bring the loss below this share of what it was.
const PROGRESS: f32 = 0.9999;
/// Keeps black and white pixels off infinity.
const INSIDE: f32 = 0.999_999;

/// The search of one frame.
struct Search {
    /// Weight of the margin, and the bounds it is known to be within.
    weight: f32,
    lower: f32,
    upper: f32,
    /// The clean frame and its change, in the space whose hyperbolic tangent is the pixels.
    clean: Vec<f32>,
    change: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    crossed: bool,
    checked_loss: f32,
}

/// The nearest frame found in `steps` steps for each weight; the usual is 10,000.
#[must_use]
pub fn carlini_wagner(classifier: &impl Classifier, batch: &Batch, steps: usize) -> Nearest {
    let mut found = Nearest::begin(batch);
    let mut searches: Vec<Search> = batch.clean.chunks_exact(batch.frame_len().max(1)).map(Search::new).collect();
    for _ in 0..SEARCHES {
        searches.iter_mut().for_each(Search::begin);
        descend(classifier, batch, steps, &mut searches, &mut found);
        searches.iter_mut().for_each(Search::choose_weight);
    }
    found
}

/// Steps of all frames that still make progress.
fn descend(classifier: &impl Classifier, batch: &Batch, steps: usize, searches: &mut [Search], found: &mut Nearest) {
    let frame_len = batch.frame_len();
    let mut open: Vec<usize> = (0..batch.len()).collect();
    let mut part = batch.clone();
    for step in 0..steps {
        let pixels: Vec<f32> = open.iter().flat_map(|&row| searches[row].pixels()).collect();
        let mut gradient = vec![0.0; pixels.len()];
        let logits = classifier.gradients(&part.frames, &pixels, &mut gradient, |row, logits, slopes| {
            let (own, other) = rivals(logits, part.labels[row]);
            if logits[own] > logits[other] {
                (slopes[own], slopes[other]) = (1.0, -1.0);
            }
        });
        let rows = pixels.chunks_exact(frame_len).zip(gradient.chunks_exact(frame_len));
        let mut stuck = Vec::new();
        for (index, (frame, slope)) in rows.enumerate() {
            let row = open[index];
            let logits = &logits[index * classifier.classes()..(index + 1) * classifier.classes()];
            let (own, other) = rivals(logits, part.labels[index]);
            let clean = searches[row].back();
            let square = frame.iter().zip(&clean).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            let loss = square + searches[row].weight * (logits[own] - logits[other]).max(0.0);
            if logits[own] < logits[other] {
                searches[row].crossed = true;
                let changes = frame.iter().zip(&part.clean[index * frame_len..]).map(|(a, b)| a - b);
                found.keep_nearer(row, frame, length(Norm::L2, changes));
            }
            searches[row].advance(frame, &clean, slope, step);
            if step.is_multiple_of(steps.div_ceil(10)) {
                if loss > PROGRESS * searches[row].checked_loss {
                    stuck.push(row);
                }
                searches[row].checked_loss = loss;
            }
        }
        if !stuck.is_empty() {
            open.retain(|row| !stuck.contains(row));
            part = batch.part(&open);
        }
        if open.is_empty() {
            break;
        }
    }
}

/// A frame's own class and the best other one.
fn rivals(logits: &[f32], own: usize) -> (usize, usize) {
    let order = ranked(logits);
    (own, if order[0] == own { order[1] } else { order[0] })
}

impl Search {
    fn new(clean: &[f32]) -> Self {
        Self {
            weight: FIRST_WEIGHT,
            lower: 0.0,
            upper: f32::INFINITY,
            clean: clean.iter().map(|value| (INSIDE * (2.0 * value - 1.0)).atanh()).collect(),
            change: vec![0.0; clean.len()],
            mean: vec![0.0; clean.len()],
            square: vec![0.0; clean.len()],
            crossed: false,
            checked_loss: f32::INFINITY,
        }
    }

    fn begin(&mut self) {
        [&mut self.change, &mut self.mean, &mut self.square].into_iter().for_each(|values| values.fill(0.0));
        (self.crossed, self.checked_loss) = (false, f32::INFINITY);
    }

    fn pixels(&self) -> Vec<f32> {
        self.clean.iter().zip(&self.change).map(|(clean, change)| 0.5 * ((clean + change).tanh() + 1.0)).collect()
    }

    /// The clean frame, there and back.
    fn back(&self) -> Vec<f32> {
        self.clean.iter().map(|clean| 0.5 * (clean.tanh() + 1.0)).collect()
    }

    /// One step of Adam: Kingma and Ba 2015, arXiv:1412.6980.
    fn advance(&mut self, frame: &[f32], clean: &[f32], slope: &[f32], step: usize) {
        let time = step as i32 + 1;
        let (first, second) = (1.0 - 0.9_f32.powi(time), 1.0 - 0.999_f32.powi(time));
        for (index, change) in self.change.iter_mut().enumerate() {
            // The slope of the tangent, on the way from -1..1 to 0..1.
            let pixel = frame[index];
            let tangent = 2.0 * pixel * (1.0 - pixel);
            let gradient = tangent * (2.0 * (pixel - clean[index]) + self.weight * slope[index]);
            let (mean, square) = (&mut self.mean[index], &mut self.square[index]);
            *mean = 0.9 * *mean + 0.1 * gradient;
            *square = 0.999 * *square + 0.001 * gradient * gradient;
            *change -= LEARNING_RATE * (*mean / first) / ((*square / second).sqrt() + 1e-8);
        }
    }

    /// Ten times as much until the class changes, then halfway between what sufficed and what did not.
    fn choose_weight(&mut self) {
        if self.crossed {
            self.upper = self.weight;
        } else {
            self.lower = self.weight;
        }
        self.weight = if self.upper.is_finite() { 0.5 * (self.lower + self.upper) } else { 10.0 * self.weight };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::classifier::tests::Planes;
    use crate::attack::nearest::minimum_norm::tests::distances;

    #[test]
    fn a_plane_is_crossed_close_to_where_it_is_nearest() {
        // A step of Adam is about a hundredth in every pixel: a boundary nearer than some of them would be overrun.
        let planes = Planes { first: 6.0, ..Planes::new() };
        let batch = Batch::new(&planes, &Planes::frames(4), &[0; 4]);
        assert!(distances(&planes, &batch, Norm::L2).iter().all(|distance| *distance > 0.3));
        let found = carlini_wagner(&planes, &batch, 1000);
        for (found, least) in found.distances.iter().zip(distances(&planes, &batch, Norm::L2)) {
            assert!(*found >= 0.999 * least && *found < 1.04 * least, "{found}, nearest {least}");
        }
        let alone = carlini_wagner(&planes, &batch.part(&[1]), 1000);
        assert_eq!((alone.distances[0], &alone.pixels[..]), (found.distances[1], &found.pixels[48..96]));
    }
}
