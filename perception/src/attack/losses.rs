//! Losses of the network's own outputs: how wrong a percept is made.

use crate::attack::{Differentiable, Objective, Outcome};
use crate::heads::{GAP, LEAD, OUTPUTS, percept, percept_units};
use crate::percept::PerceptLabel;

/// One head of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Offset in the lane.
    LaneOffset,
    /// Heading against the lane.
    Heading,
    /// Curvature ahead.
    Curvature,
    /// Gap to the car ahead, where there is one.
    Gap,
    /// Whether there is a car ahead.
    Lead,
}

impl Head {
    /// Every head.
    pub const ALL: [Self; 5] = [Self::LaneOffset, Self::Heading, Self::Curvature, Self::Gap, Self::Lead];
}

/// The error of one head against the truth. A frame is broken once the error is larger than `bound`, in the head's own
/// units, or, for [`Head::Lead`], once the network is on the wrong side.
pub struct PerceptLoss<'a> {
    /// The network.
    pub network: &'a Differentiable,
    /// The truth of each frame.
    pub labels: &'a [PerceptLabel],
    /// The head to attack.
    pub head: Head,
    /// What counts as broken.
    pub bound: f32,
}

impl PerceptLoss<'_> {
    /// The loss of one frame, and its slopes over the outputs.
    fn loss(&self, frame: usize, outputs: &[f32], slopes: &mut [f32]) -> Outcome {
        slopes.fill(0.0);
        let label = &self.labels[frame];
        let (output, found, truth) = match self.head {
            Head::LaneOffset => (0, percept(outputs).lane_offset_m, label.lane_offset_m),
            Head::Heading => (1, percept(outputs).heading_rad, label.heading_rad),
            Head::Curvature => (2, percept(outputs).curvature_per_m, label.curvature_per_m),
            Head::Gap => {
                let Some(gap_m) = label.lead_gap_m() else { return Outcome { loss: 0.0, broken: false } };
                let found_m = crate::heads::gap_m(outputs);
                slopes[GAP] = (found_m - gap_m).signum() * crate::heads::gap_slope(outputs);
                return Outcome { loss: (found_m - gap_m).abs(), broken: (found_m - gap_m).abs() > self.bound };
            }
            Head::Lead => {
                let sign = if label.lead_gap_m().is_some() { -1.0 } else { 1.0 };
                slopes[LEAD] = sign;
                let loss = sign * outputs[LEAD];
                return Outcome { loss, broken: loss > 0.0 };
            }
        };
        slopes[output] = (found - truth).signum() * percept_units(output);
        Outcome { loss: (found - truth).abs(), broken: (found - truth).abs() > self.bound }
    }
}

impl Objective for PerceptLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Outcome> {
        self.network.evaluate(pixels, |frame, outputs| self.loss(frame, outputs, &mut [0.0; OUTPUTS]))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Outcome> {
        self.network.gradients(pixels, gradient, |frame, outputs, slopes| self.loss(frame, outputs, slopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Budget, Norm, PgdSettings, pgd, random_noise, to_numbers};
    use crate::data::synthetic;

    #[test]
    fn every_head_is_moved_further_by_its_gradient_than_by_noise() {
        let dataset = synthetic::dataset(400, 4);
        let mut trainer = synthetic::trainer(3);
        (0..150).for_each(|_| {
            trainer.train_batch(&dataset, 1e-2);
        });
        let network = Differentiable::new(&trainer.perception());
        let labels: Vec<PerceptLabel> = (0..12).map(|index| *dataset.label(index)).collect();
        let clean = to_numbers(dataset.frames(0, 12));
        let budget = Budget::new(Norm::Linf, 4.0 / 255.0).unwrap();
        let seeds: Vec<u64> = (0..12).collect();
        for head in Head::ALL {
            let loss = PerceptLoss { network: &network, labels: &labels, head, bound: 1e9 };
            let sum = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.loss).sum::<f32>();
            let before = sum(&loss.evaluate(&clean));
            let moved = sum(&pgd(&loss, &clean, &budget, &PgdSettings::default(), &seeds).outcomes);
            let noise = sum(&random_noise(&loss, &clean, &budget, 20, &seeds).outcomes);
            assert!(moved - before > 2.0 * (noise - before) && moved > before, "{head:?}: {before}, {noise}, {moved}");
        }
    }
}
