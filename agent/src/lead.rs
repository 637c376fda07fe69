//! Follows what is ahead over time: a Kalman filter turns single-frame gaps into a gap and a speed.
//!
//! One frame shows how far a car is, not how fast; ten noisy gaps a second do, weighted by how sure perception was.

use roadproof_perception::Percept;

/// Spread of a lead's acceleration that the filter allows for.
const ACCELERATION_SIGMA_MPS2: f32 = 2.5;
/// A lead that perception has not seen for this long is gone.
const FORGET_S: f32 = 0.5;

/// What is believed about the car ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// Bumper to bumper.
    pub gap_m: f32,
    /// Its speed.
    pub speed_mps: f32,
    variance: [[f32; 2]; 2],
    unseen_s: f32,
}

/// The filter of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LeadTracker {
    lead: Option<Lead>,
}

impl LeadTracker {
    /// The car ahead, if one is believed to be there.
    #[must_use]
    pub fn lead(&self) -> Option<Lead> {
        self.lead
    }

    /// Takes in one percept, `dt_s` after the last.
    pub fn observe(&mut self, percept: &Percept, ego_speed_mps: f32, dt_s: f32) {
        if let Some(lead) = &mut self.lead {
            lead.predict(ego_speed_mps, dt_s);
        }
        let seen = percept.lead_probability >= 0.5;
        match &mut self.lead {
            Some(lead) if seen => lead.correct(percept),
            None if seen => self.lead = Some(Lead::first(percept, ego_speed_mps)),
            _ => {}
        }
        if self.lead.is_some_and(|lead| lead.unseen_s > FORGET_S) {
            self.lead = None;
        }
    }
}

impl Lead {
    fn first(percept: &Percept, ego_speed_mps: f32) -> Self {
        let variance = [[measurement_variance(percept), 0.0], [0.0, 25.0]];
        // Whoever is ahead is as likely slower as it is as fast.
        Self { gap_m: percept.gap_m, speed_mps: 0.7 * ego_speed_mps, variance, unseen_s: 0.0 }
    }

    fn predict(&mut self, ego_speed_mps: f32, dt_s: f32) {
        self.gap_m += (self.speed_mps - ego_speed_mps) * dt_s;
        self.unseen_s += dt_s;
        let [[gap, cross], [_, speed]] = self.variance;
        let noise = ACCELERATION_SIGMA_MPS2 * ACCELERATION_SIGMA_MPS2;
        let (t2, t3, t4) = (dt_s * dt_s, dt_s * dt_s * dt_s, dt_s * dt_s * dt_s * dt_s);
        let new_gap = gap + 2.0 * dt_s * cross + t2 * speed + 0.25 * t4 * noise;
        let new_cross = cross + dt_s * speed + 0.5 * t3 * noise;
        self.variance = [[new_gap, new_cross], [new_cross, speed + t2 * noise]];
    }

    fn correct(&mut self, percept: &Percept) {
        let [[gap, cross], [_, speed]] = self.variance;
        let sum = gap + measurement_variance(percept);
        let (gain_gap, gain_speed) = (gap / sum, cross / sum);
        let surprise_m = percept.gap_m - self.gap_m;
        self.gap_m = (self.gap_m + gain_gap * surprise_m).max(0.0);
        self.speed_mps = (self.speed_mps + gain_speed * surprise_m).clamp(0.0, 40.0);
        let (new_gap, new_cross) = ((1.0 - gain_gap) * gap, (1.0 - gain_gap) * cross);
        self.variance = [[new_gap, new_cross], [new_cross, speed - gain_speed * cross]];
        self.unseen_s = 0.0;
    }
}

/// Variance of a Laplace distribution with perception's scale, with a floor against overconfidence.
fn measurement_variance(percept: &Percept) -> f32 {
    (2.0 * percept.gap_scale_m * percept.gap_scale_m).max(0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_speed_of_a_lead_from_noisy_gaps() {
        let mut tracker = LeadTracker::default();
        let (mut gap_m, ego_mps, lead_mps) = (40.0, 10.0, 6.0);
        for step in 0..40 {
            let noise = if step % 2 == 0 { 0.8 } else { -0.8 };
            let percept =
                Percept { gap_m: gap_m + noise, lead_probability: 0.9, gap_scale_m: 1.0, ..Percept::default() };
            tracker.observe(&percept, ego_mps, 0.1);
            gap_m += (lead_mps - ego_mps) * 0.1;
        }
        let lead = tracker.lead().expect("a lead is seen");
        assert!((lead.speed_mps - lead_mps).abs() < 0.7, "{lead:?}");
        for _ in 0..6 {
            tracker.observe(&Percept::default(), ego_mps, 0.1);
        }
        assert_eq!(tracker.lead(), None);
    }
}
