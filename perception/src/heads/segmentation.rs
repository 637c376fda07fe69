//! What the cells of a frame show: one score a class.

use crate::classes::CLASSES;

/// Cross-entropy of one cell's class scores; its gradient times `weight` goes to `gradient`.
///
/// # Shapes
/// - `scores`, `gradient`: [`CLASSES`] values
pub(crate) fn class_loss(scores: &[f32], class: u8, weight: f32, gradient: &mut [f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (slope, &score) in gradient.iter_mut().zip(scores) {
        *slope = (score - highest).exp();
        sum += *slope;
    }
    for slope in gradient.iter_mut() {
        *slope *= weight / sum;
    }
    gradient[usize::from(class)] -= weight;
    sum.ln() + highest - scores[usize::from(class)]
}

/// The class with the highest score, the lower one on a tie.
pub(crate) fn best_class(scores: &[f32]) -> u8 {
    let mut best = 0;
    for class in 1..CLASSES {
        if scores[class] > scores[best] {
            best = class;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::laplace::tests::check_slope;

    #[test]
    fn written_slopes_are_those_of_the_loss() {
        for moved in 0..CLASSES {
            check_slope(0.4, |score| {
                let mut scores = [0.3, -1.0, 2.0, 0.0, 0.5, 1.0];
                scores[moved] = score;
                let mut gradient = [0.0; CLASSES];
                (class_loss(&scores, 4, 1.0, &mut gradient), gradient[moved])
            });
        }
    }
}
