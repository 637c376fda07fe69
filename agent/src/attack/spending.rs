//! Which decisions of a drive are worth an attack.

/// Decides which decisions are worth an attack while the drive goes on, without having seen it through.
///
/// A decision is attacked if as much hangs on it as on a `share` of the decisions so far, itself included, and if fewer than that
/// share of them have been attacked. So never more than a share of any beginning of a drive is attacked, but for the one decision
/// by which it is rounded up.
#[derive(Clone, Debug)]
pub struct Spending {
    share: f32,
    attacked: usize,
    /// What hung on each decision so far, the most first.
    importance: Vec<f32>,
}

impl Spending {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(share: f32) -> Self {
        Self { share, attacked: 0, importance: Vec::new() }
    }

    /// Whether a decision on which so much hangs is attacked.
    pub fn attacks(&mut self, importance: f32) -> bool {
        let place = self.importance.partition_point(|other| *other > importance);
        self.importance.insert(place, importance);
        let allowed = self.share * self.importance.len() as f32;
        let worth = (place as f32) < allowed.ceil();
        let attacks = worth && (self.attacked as f32) < allowed;
        self.attacked += usize::from(attacks);
        attacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_important_decisions_are_attacked_and_no_more_than_the_share() {
        let importance: Vec<f32> = (0..400).map(|decision| ((decision * 37) % 101) as f32).collect();
        for share in [0.0, 0.1, 0.25, 0.5, 1.0] {
            let mut spending = Spending::new(share);
            let attacked: Vec<f32> = importance.iter().copied().filter(|&value| spending.attacks(value)).collect();
            assert!(attacked.len() as f32 <= (share * 400.0).ceil() && (share == 0.0) == attacked.is_empty());
            if share == 1.0 {
                assert_eq!(attacked.len(), 400);
            } else if share > 0.0 {
                assert!(attacked.len() as f32 > 0.7 * share * 400.0, "{share}: {}", attacked.len());
                let mean = attacked.iter().sum::<f32>() / attacked.len() as f32;
                assert!(mean > 65.0, "{share}: mean {mean}, of all 50");
            }
        }
    }
}
