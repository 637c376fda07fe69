//! Follows what is ahead over time: a Kalman filter turns single-frame gaps into a gap and a speed.
//!
//! One frame shows how far a car is, not how fast; ten noisy gaps a second do, weighted by how sure perception was.

use roadproof_perception::Percept;

/// Spread of a lead's acceleration that the filter allows for.
const ACCELERATION_SIGMA_MPS2: f32 = 2.5;
/// A lead that perception has not seen for this long is gone.
const FORGET_S: f32 = 0.5;
/// Surprises beyond so many standard deviations count as this many, where they are bounded.
const MOST_SURPRISE: f32 = 2.0;

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
    belief: Option<Belief>,
}

/// Log odds that something is ahead, from all frames so far.
///
/// # Source
/// The binary Bayes filter of occupancy grids: Elfes 1989, "Using Occupancy Grids for Mobile Robot Perception and Navigation";
/// the old evidence fades, because cars come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Belief {
    log_odds: f32,
}

impl Belief {
    /// Share of the log odds that is left after a decision of a tenth of a second.
    const KEPT: f32 = 0.8;
    /// Weight of a frame's own log odds: neighbouring frames err alike.
    const WEIGHT: f32 = 0.5;
    /// A single frame says no more than this.
    const MOST: f32 = 3.0;

    /// What a frame says that shows nothing at all is the share of frames with a lead, near one half: it changes little.
    fn observe(&mut self, lead_probability: f32) {
        let probability = lead_probability.clamp(1e-4, 1.0 - 1e-4);
        let evidence = (probability / (1.0 - probability)).ln().clamp(-Self::MOST, Self::MOST);
        self.log_odds = Self::KEPT * self.log_odds + Self::WEIGHT * evidence;
    }
}

impl LeadTracker {
    /// A filter that weighs what many frames say, so that one that hides the car ahead, or shows one, does not decide.
    #[must_use]
    pub fn believing() -> Self {
        Self { lead: None, belief: Some(Belief::default()) }
    }

    /// The car ahead, if one is believed to be there.
    #[must_use]
    pub fn lead(&self) -> Option<Lead> {
        self.lead
    }

    /// Goes on by `dt_s` and takes in a percept, if there is one.
    pub fn observe(&mut self, percept: Option<&Percept>, ego_speed_mps: f32, dt_s: f32) {
        if let Some(lead) = &mut self.lead {
            lead.predict(ego_speed_mps, dt_s);
        }
        let Some(percept) = percept else { return };
        let seen = percept.lead_probability >= 0.5;
        let believed = match &mut self.belief {
            None => seen,
            Some(belief) => {
                belief.observe(percept.lead_probability);
                belief.log_odds > 0.0
            }
        };
        match &mut self.lead {
            Some(lead) if seen => lead.correct(percept, self.belief.is_some()),
            None if seen && believed => self.lead = Some(Lead::first(percept, ego_speed_mps)),
            _ => {}
        }
        let gone = match self.belief {
            None => self.lead.is_some_and(|lead| lead.unseen_s > FORGET_S),
            Some(_) => !believed,
        };
        if gone {
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

    /// `bounded`: no single percept moves the belief by more than a few standard deviations.
    fn correct(&mut self, percept: &Percept, bounded: bool) {
        let [[gap, cross], [_, speed]] = self.variance;
        let sum = gap + measurement_variance(percept);
        let (gain_gap, gain_speed) = (gap / sum, cross / sum);
        let most_m = if bounded { MOST_SURPRISE * sum.sqrt() } else { f32::INFINITY };
        let surprise_m = (percept.gap_m - self.gap_m).clamp(-most_m, most_m);
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
            tracker.observe(Some(&percept), ego_mps, 0.1);
            gap_m += (lead_mps - ego_mps) * 0.1;
        }
        let lead = tracker.lead().expect("a lead is seen");
        assert!((lead.speed_mps - lead_mps).abs() < 0.7, "{lead:?}");
        for _ in 0..6 {
            tracker.observe(Some(&Percept::default()), ego_mps, 0.1);
        }
        assert_eq!(tracker.lead(), None);
    }

    #[test]
    fn a_believing_tracker_goes_by_many_frames() {
        let mut tracker = LeadTracker::believing();
        let percept =
            |lead_probability| Percept { gap_m: 20.0, lead_probability, gap_scale_m: 1.0, ..Percept::default() };
        let mut see = |probability: Option<f32>| {
            let percept = probability.map(percept);
            tracker.observe(percept.as_ref(), 10.0, 0.1);
            tracker.lead().is_some()
        };
        assert!(
            (0..10).map(|_| see(Some(0.95))).all(|led| led),
            "one clear frame is enough where nothing speaks against it"
        );
        assert!(see(Some(0.05)) && see(Some(0.45)) && see(None), "one that hides it is not");
        assert!(!(0..10).fold(true, |_, _| see(Some(0.05))), "ten are");
        assert!(!see(Some(0.95)), "and one that shows a ghost then is not");
    }
}
