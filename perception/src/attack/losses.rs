//! Losses of the network's own outputs: how wrong a percept is made.

use crate::attack::{Differentiable, Effect, Objective};
use crate::heads::output::{OUTPUTS, Output};
use crate::heads::{lead, percept};
use crate::percept::PerceptLabel;

/// The error of one output against the truth. A frame is broken once the error is larger than `bound`, in the units of the percept,
/// or, for [`Output::Lead`], once the network is on the wrong side. The outputs that have a truth are [`Output::PERCEIVED`].
pub struct PerceptLoss<'a> {
    /// The network.
    pub network: &'a Differentiable,
    /// The truth of each frame.
    pub labels: &'a [PerceptLabel],
    /// The output to attack.
    pub output: Output,
    /// What counts as broken.
    pub bound: f32,
}

impl PerceptLoss<'_> {
    /// The loss of one frame, and its slopes over the outputs.
    fn loss(&self, frame: usize, outputs: &[f32], slopes: &mut [f32]) -> Effect {
        slopes.fill(0.0);
        let label = &self.labels[frame];
        let (found, truth) = match self.output {
            Output::LaneOffset => (percept(outputs).lane_offset_m, label.lane_offset_m),
            Output::Heading => (percept(outputs).heading_rad, label.heading_rad),
            Output::Curvature => (percept(outputs).curvature_per_m, label.curvature_per_m),
            Output::Gap => {
                let Some(gap_m) = label.lead_gap_m() else { return Effect { loss: 0.0, broken: false } };
                let found_m = lead::gap_m(outputs);
                slopes[self.output.index()] = (found_m - gap_m).signum() * lead::gap_slope(outputs);
                return Effect { loss: (found_m - gap_m).abs(), broken: (found_m - gap_m).abs() > self.bound };
            }
            Output::Lead => {
                let sign = if label.lead_gap_m().is_some() { -1.0 } else { 1.0 };
                slopes[self.output.index()] = sign;
                let loss = sign * outputs[self.output.index()];
                return Effect { loss, broken: loss > 0.0 };
            }
            // An expected error has no truth of its own.
            Output::LaneOffsetScale | Output::HeadingScale | Output::CurvatureScale | Output::GapScale => {
                return Effect { loss: 0.0, broken: false };
            }
        };
        slopes[self.output.index()] = (found - truth).signum() * self.output.scale();
        Effect { loss: (found - truth).abs(), broken: (found - truth).abs() > self.bound }
    }
}

impl Objective for PerceptLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.network.evaluate(pixels, |frame, outputs| self.loss(frame, outputs, &mut [0.0; OUTPUTS]))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.network.gradients(pixels, gradient, |frame, outputs, slopes| self.loss(frame, outputs, slopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Budget, Norm, PgdSettings, pgd, random_noise, to_numbers};
    use crate::synthetic;

    #[test]
    fn every_output_is_moved_further_by_its_gradient_than_by_noise() {
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
        for output in Output::PERCEIVED {
            let loss = PerceptLoss { network: &network, labels: &labels, output, bound: 1e9 };
            let sum = |outcomes: &[Effect]| outcomes.iter().map(|outcome| outcome.loss).sum::<f32>();
            let before = sum(&loss.evaluate(&clean));
            let moved = sum(&pgd(&loss, &clean, &budget, &PgdSettings::default(), &seeds).outcomes);
            let noise = sum(&random_noise(&loss, &clean, &budget, 20, &seeds).outcomes);
            assert!(
                moved - before > 2.0 * (noise - before) && moved > before,
                "{output:?}: {before}, {noise}, {moved}"
            );
        }
    }
}
