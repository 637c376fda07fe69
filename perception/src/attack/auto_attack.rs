//! The ensemble that evaluations of robustness are held to: each attack only on the frames that withstood those before.
//!
//! # Source
//! Croce and Hein 2020, arXiv:2003.01690, section 6; the `standard` version of the authors' code.

use crate::attack::{
    Attacked, Batch, Budget, ClassLoss, ClassScore, Classifier, Norm, apgd_class, apgd_targeted, fab_targeted, square,
};

/// How much the ensemble does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoAttackSettings {
    /// Steps of each walk.
    pub iterations: usize,
    /// Tries of Square.
    pub queries: usize,
}

impl Default for AutoAttackSettings {
    /// As the authors have it.
    fn default() -> Self {
        Self { iterations: 100, queries: 5000 }
    }
}

/// An attack of the ensemble, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Auto-PGD on the cross-entropy.
    ApgdCe,
    /// Auto-PGD on the targeted DLR loss.
    ApgdT,
    /// Targeted FAB, as far as it stays within the budget.
    FabT,
    /// Square on the margin; with [`Norm::L2`] it is left out.
    Square,
}

/// What the ensemble did.
#[derive(Clone, Debug)]
pub struct AutoAttacked {
    /// The strongest frames; the outcomes are margins.
    pub attacked: Attacked,
    /// Who broke each frame.
    pub broken_by: Vec<Option<Member>>,
}

/// Runs the ensemble; `size` is width and height.
#[must_use]
pub fn auto_attack(
    classifier: &impl Classifier,
    batch: &Batch,
    size: (usize, usize),
    budget: &Budget,
    settings: &AutoAttackSettings,
) -> AutoAttacked {
    let AutoAttackSettings { iterations, queries } = *settings;
    let mut attacked = Attacked::of_classes(classifier, batch);
    let mut broken_by = vec![None; batch.len()];
    let members: &[Member] = match budget.norm {
        Norm::Linf => &[Member::ApgdCe, Member::ApgdT, Member::FabT, Member::Square],
        Norm::L2 => &[Member::ApgdCe, Member::ApgdT, Member::FabT],
    };
    for &member in members {
        let open = attacked.open();
        attacked.try_open(classifier, batch, |part, _| match member {
            Member::ApgdCe => apgd_class(classifier, part, ClassScore::CrossEntropy, budget, iterations, 1).pixels,
            Member::ApgdT => apgd_targeted(classifier, part, budget, iterations, 1).pixels,
            Member::FabT => {
                fab_targeted(classifier, part, budget.norm, iterations).within(classifier, part, budget).pixels
            }
            Member::Square => {
                let loss = ClassLoss { classifier, batch: part, score: ClassScore::Margin };
                square(&loss, &part.clean, size, budget, queries, &part.seeds).pixels
            }
        });
        for row in open.into_iter().filter(|&row| attacked.outcomes[row].broken) {
            broken_by[row] = Some(member);
        }
    }
    AutoAttacked { attacked, broken_by }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::classifier::tests::Planes;
    use crate::attack::nearest::minimum_norm::tests::distances;

    #[test]
    fn every_plane_within_reach_is_crossed_and_no_other() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(6), &[3; 6]);
        for norm in [Norm::Linf, Norm::L2] {
            let distances = distances(&planes, &batch, norm);
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            let budget = Budget::new(norm, 0.5 * (sorted[2] + sorted[3])).unwrap();
            let settings = AutoAttackSettings { iterations: 40, queries: 50 };
            let found = auto_attack(&planes, &batch, (4, 4), &budget, &settings);
            for (row, distance) in distances.iter().enumerate() {
                let broken = *distance < budget.eps;
                assert_eq!(found.attacked.outcomes[row].broken, broken, "{norm:?}: {distance}, budget {}", budget.eps);
                assert_eq!(found.broken_by[row].is_some(), broken);
                let part = row * 48..(row + 1) * 48;
                let moved = budget.distance(&found.attacked.pixels[part.clone()], &batch.clean[part]);
                assert!(moved <= budget.eps * 1.0001);
            }
            assert_eq!(found.attacked.pixels, auto_attack(&planes, &batch, (4, 4), &budget, &settings).attacked.pixels);
        }
    }
}
