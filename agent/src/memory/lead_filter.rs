//! Follows what is ahead over time: a Kalman filter turns single-frame gaps into a gap and a speed.
//!
//! One frame shows how far a car is, not how fast; ten noisy gaps a second do, weighted by how sure perception was.

use crate::memory::correction::{Estimate, MOST_SURPRISE};
use crate::memory::second_look::{Ahead, SecondLook};
use roadproof_perception::Percept;
use roadproof_perception::proof::interval::Interval;
use roadproof_perception::proof::network::PerceptBounds;
use roadproof_perception::proof::number::Number;
use roadproof_sim::clock::Clock;

/// Spread of a lead's acceleration that the filter allows for.
const ACCELERATION_SIGMA_MPS2: f32 = 2.5;
/// A lead that perception has not seen for this long is gone.
const FORGET_S: f32 = 0.5;
/// One that is believed in, while frames are refused and so none speaks against it, is gone after this: by then an acceleration of
/// [`ACCELERATION_SIGMA_MPS2`] has moved it by five metres.
const FORGET_BLIND_S: f32 = 2.0;

/// The greatest speed that a lead is believed to have.
const MOST_SPEED_MPS: f32 = 40.0;

/// What is believed about the car ahead, or what may be for every percept within bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead<N = f32> {
    /// Bumper to bumper.
    pub gap_m: N,
    /// Its speed.
    pub speed_mps: N,
    variance: [[N; 2]; 2],
    /// Decisions since it was seen.
    unseen: u32,
}

/// What a frame in which something is seen says of it.
struct Measured<N> {
    gap_m: N,
    /// Scale of the Laplace distribution that perception expects its errors to have.
    scale_m: N,
}

impl From<&Percept> for Measured<f32> {
    fn from(percept: &Percept) -> Self {
        Self { gap_m: percept.gap_m, scale_m: percept.gap_scale_m }
    }
}

impl From<&PerceptBounds> for Measured<Interval> {
    fn from(percept: &PerceptBounds) -> Self {
        Self { gap_m: percept.lead_gap_m, scale_m: percept.gap_scale_m }
    }
}

impl<N: Number> Measured<N> {
    /// Variance of that distribution, with a floor against overconfidence.
    fn noise(&self) -> N {
        (N::from(2.0) * self.scale_m * self.scale_m).at_least(0.25)
    }
}

/// The filter of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LeadTracker {
    lead: Option<Lead>,
    belief: Option<Belief>,
    second_look: Option<SecondLook>,
    /// The car ahead is followed on, but is not to count in this decision.
    doubted: bool,
}

/// Log odds that something is ahead, from all frames so far.
///
/// # Source
/// The binary Bayes filter of occupancy grids: Elfes 1989, "Using Occupancy Grids for Mobile Robot Perception and Navigation";
/// the old evidence fades, because cars come and go, and is bounded, so that belief follows whoever cuts in within a frame or
/// two: Hornung et al. 2013, "`OctoMap`", whose least log odds are these. There is no upper bound but the one that fading gives
/// (7.5): a hidden car costs a crash, one that is gone a few frames of caution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Belief {
    log_odds: f32,
}

impl Belief {
    /// Share of the log odds that is left after a tenth of a second.
    const KEPT: f32 = 0.8;
    /// Log odds that frames lead to which all say the same, as a multiple of what one of them says: neighbouring frames err alike,
    /// so one counts for half of what it says when there are ten a second.
    const STEADY: f32 = 2.5;
    /// A single frame says no more than this.
    const MOST: f32 = 3.0;
    /// However many frames have shown an empty road.
    const LEAST_LOG_ODDS: f32 = -2.0;

    /// What is left of the belief after `dt_s` without a frame, and what that took from it as a share.
    fn fade(&mut self, dt_s: f32) -> f32 {
        let kept = Self::KEPT.powf(dt_s / 0.1);
        self.log_odds *= kept;
        1.0 - kept
    }

    /// What a frame says that shows nothing at all is the share of frames with a lead, near one half: it changes little.
    fn observe(&mut self, lead_probability: f32, dt_s: f32) {
        let probability = lead_probability.clamp(1e-4, 1.0 - 1e-4);
        let evidence = (probability / (1.0 - probability)).ln().clamp(-Self::MOST, Self::MOST);
        let faded = self.fade(dt_s);
        self.log_odds = (self.log_odds + Self::STEADY * faded * evidence).max(Self::LEAST_LOG_ODDS);
    }
}

impl LeadTracker {
    /// A filter that weighs what many frames say, so that one that hides the car ahead, or shows one, does not decide; and that takes
    /// a second look at a car that it stands before.
    #[must_use]
    pub fn believing() -> Self {
        let (belief, second_look) = (Some(Belief::default()), Some(SecondLook::default()));
        Self { lead: None, belief, second_look, doubted: false }
    }

    /// The car ahead, if one is believed to be there.
    #[must_use]
    pub fn lead(&self) -> Option<Lead> {
        self.lead.filter(|_| !self.doubted)
    }

    /// Goes on by `dt_s` and takes in a percept, if there is one.
    pub fn observe(&mut self, percept: Option<&Percept>, ego_speed_mps: f32, dt_s: f32) {
        self.predict(ego_speed_mps, dt_s);
        self.take_in(percept, ego_speed_mps, dt_s);
        if let Some(look) = &mut self.second_look {
            look.go_on(self.lead.map(Lead::ahead), ego_speed_mps, dt_s);
        }
    }

    fn take_in(&mut self, percept: Option<&Percept>, ego_speed_mps: f32, dt_s: f32) {
        let Some(percept) = percept else { return self.go_blind(dt_s) };
        let seen = percept.lead_probability >= 0.5;
        let believed = match &mut self.belief {
            None => seen,
            Some(belief) => {
                belief.observe(percept.lead_probability, dt_s);
                belief.log_odds > 0.0
            }
        };
        let most_surprise = self.most_surprise();
        match &mut self.lead {
            Some(lead) if seen => lead.correct(&percept.into(), most_surprise),
            None if seen && believed => self.lead = Some(Lead::first(&percept.into(), ego_speed_mps)),
            _ => {}
        }
        let gone = match self.belief {
            None => self.lead.is_some_and(|lead| lead.unseen_for(FORGET_S, dt_s)),
            Some(_) => !believed,
        };
        if gone {
            self.lead = None;
        }
    }

    fn predict(&mut self, ego_speed_mps: f32, dt_s: f32) {
        if let Some(lead) = &mut self.lead {
            lead.predict(ego_speed_mps, dt_s);
            if self.belief.is_some() {
                // However long nothing is seen: nobody drives through the car ahead.
                lead.gap_m = lead.gap_m.max(0.0);
            }
        }
        let ahead = self.lead.map(Lead::ahead);
        self.doubted = self.second_look.is_some_and(|look| !look.counts(ahead, ego_speed_mps));
    }

    /// A filter that believes lets no single percept move it by more than a few standard deviations.
    fn most_surprise(&self) -> f32 {
        if self.belief.is_some() { MOST_SURPRISE } else { f32::INFINITY }
    }

    /// A decision without a frame.
    fn go_blind(&mut self, dt_s: f32) {
        let Some(belief) = &mut self.belief else { return };
        belief.fade(dt_s);
        if self.lead.is_some_and(|lead| lead.unseen_for(FORGET_BLIND_S, dt_s)) {
            self.lead = None;
        }
    }
}

impl LeadTracker {
    /// What [`Self::lead`] may give once one of the percepts within bounds has been taken in: at most one case without a car
    /// ahead, and one or two with it, seen in this frame or not. The filter stays as it is.
    ///
    /// What becomes of a car ahead is the same formula as in [`Self::observe`]; whether there is one is not: where bounds leave open
    /// whether it is seen or believed in, one interval around a car and no car would say nothing, so each case is followed.
    #[must_use]
    pub fn bounds(
        &self,
        percept: Option<&PerceptBounds>,
        ego_speed_mps: f32,
        dt_s: f32,
    ) -> Vec<Option<Lead<Interval>>> {
        let mut next = *self;
        let Some(percept) = percept else {
            next.observe(None, ego_speed_mps, dt_s);
            return vec![next.lead().map(Lead::exactly)];
        };
        next.predict(ego_speed_mps, dt_s);
        if next.doubted {
            return vec![None];
        }
        let predicted = next.lead;
        let mut cases = Vec::new();
        for seen in [true, false] {
            for believed in self.believed(predicted, seen, percept.lead_probability, dt_s) {
                let case = match predicted.map(Lead::exactly) {
                    _ if !believed => None,
                    Some(mut lead) if seen => {
                        lead.correct(&percept.into(), self.most_surprise());
                        Some(lead)
                    }
                    None if seen => Some(Lead::first(&percept.into(), ego_speed_mps)),
                    lead => lead,
                };
                if case.is_some() || !cases.contains(&None) {
                    cases.push(case);
                }
            }
        }
        cases
    }

    /// Whether a car ahead may be believed in, and whether it may not, if it is seen or not with one of these probabilities.
    fn believed(&self, predicted: Option<Lead>, seen: bool, probability: Interval, dt_s: f32) -> Vec<bool> {
        let half = if seen { probability.at_least(0.5) } else { probability.clamp(0.0, 0.5) };
        if (seen && probability.high < 0.5) || (!seen && probability.low >= 0.5) {
            return Vec::new();
        }
        let Some(belief) = self.belief else {
            // A lead that is not seen is believed in as long as it is not forgotten.
            let remembered = predicted.is_some_and(|lead| !lead.unseen_for(FORGET_S, dt_s));
            return vec![seen || remembered];
        };
        let end = |probability: f64| {
            let mut belief = belief;
            belief.observe(probability as f32, dt_s);
            f64::from(belief.log_odds)
        };
        // A logarithm near zero is off by a rounding of its argument.
        let odds = Interval { low: end(half.low), high: end(half.high) }.widened(1e-5);
        [true, false].into_iter().filter(|&believed| if believed { odds.high > 0.0 } else { odds.low <= 0.0 }).collect()
    }
}

impl Lead<Interval> {
    fn exactly(lead: Lead) -> Self {
        Self {
            gap_m: Interval::exactly(lead.gap_m),
            speed_mps: Interval::exactly(lead.speed_mps),
            variance: lead.variance.map(|line| line.map(Interval::exactly)),
            unseen: lead.unseen,
        }
    }
}

impl Lead {
    /// Whether it has not been seen for longer than this, in whole decisions: their times do not add up to it exactly.
    fn unseen_for(self, seconds: f32, dt_s: f32) -> bool {
        self.unseen > Clock::new(1.0 / dt_s).decisions_in(seconds)
    }

    fn ahead(self) -> Ahead {
        Ahead { gap_m: self.gap_m, speed_mps: self.speed_mps }
    }

    fn predict(&mut self, ego_speed_mps: f32, dt_s: f32) {
        self.gap_m += (self.speed_mps - ego_speed_mps) * dt_s;
        self.unseen += 1;
        let [[gap, cross], [_, speed]] = self.variance;
        let noise = ACCELERATION_SIGMA_MPS2 * ACCELERATION_SIGMA_MPS2;
        let (t2, t3, t4) = (dt_s * dt_s, dt_s * dt_s * dt_s, dt_s * dt_s * dt_s * dt_s);
        let new_gap = gap + 2.0 * dt_s * cross + t2 * speed + 0.25 * t4 * noise;
        let new_cross = cross + dt_s * speed + 0.5 * t3 * noise;
        self.variance = [[new_gap, new_cross], [new_cross, speed + t2 * noise]];
    }
}

impl<N: Estimate> Lead<N> {
    fn first(measured: &Measured<N>, ego_speed_mps: f32) -> Self {
        let variance = [[measured.noise(), N::from(0.0)], [N::from(0.0), N::from(25.0)]];
        // Whoever is ahead is as likely slower as it is as fast.
        Self { gap_m: measured.gap_m, speed_mps: N::from(0.7 * ego_speed_mps), variance, unseen: 0 }
    }

    fn correct(&mut self, measured: &Measured<N>, most_surprise: f32) {
        let ([[gap, cross], [_, speed]], noise) = (self.variance, measured.noise());
        let (sum, surprise_m) = (gap + noise, measured.gap_m - self.gap_m);
        let sped_mps = N::correction(cross, sum, surprise_m, most_surprise);
        self.gap_m = N::corrected(self.gap_m, measured.gap_m, gap, noise, most_surprise).at_least(0.0);
        self.speed_mps = (self.speed_mps + sped_mps).clamp(0.0, MOST_SPEED_MPS);
        let (gain_gap, gain_speed) = (gap / sum, cross / sum);
        let left = N::from(1.0) - gain_gap;
        let (new_gap, new_cross) = (left * gap, left * cross);
        self.variance = [[new_gap, new_cross], [new_cross, speed - gain_speed * cross]];
        self.unseen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_perception::OUTPUTS;
    use roadproof_perception::proof::network::percept_bounds;

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
        assert!((0..10).all(|_| see(Some(0.95))), "one clear frame is enough where nothing speaks against it");
        assert!(see(Some(0.05)) && see(Some(0.45)) && see(None), "one that hides it is not");
        assert!(!(0..10).fold(true, |_, _| see(Some(0.05))), "ten are");
        assert!(!(0..40).any(|_| see(Some(0.05))));
        assert!(!see(Some(0.95)), "and one that shows a ghost then is not");
        assert!(see(Some(0.95)), "but two are, however long the road was empty");
    }

    #[test]
    fn a_believing_tracker_does_not_go_on_for_ever_without_a_camera() {
        let mut tracker = LeadTracker::believing();
        let percept = Percept { gap_m: 6.0, lead_probability: 0.95, gap_scale_m: 1.0, ..Percept::default() };
        (0..10).for_each(|_| tracker.observe(Some(&percept), 10.0, 0.1));
        let blind = |tracker: &mut LeadTracker, ego_speed_mps| {
            tracker.observe(None, ego_speed_mps, 0.1);
            tracker.lead().map(|lead| lead.gap_m)
        };
        let gaps: Vec<_> = (0..15).map(|_| blind(&mut tracker, 20.0)).collect();
        assert_eq!(gaps[14], Some(0.0), "a gap that was used up stays so: {gaps:?}");
        assert!((0..15).map(|_| blind(&mut tracker, 20.0)).any(|gap| gap.is_none()), "and the car is forgotten");
    }

    /// Half a second is as many decisions as it should be: added up in single precision, twenty of a fortieth are more than it.
    #[test]
    fn a_lead_is_remembered_as_long_at_any_length_of_a_decision() {
        for decision_hz in [5.0, 10.0, 20.0, 30.0, 40.0, 60.0] {
            let mut tracker = LeadTracker::default();
            let percept = Percept { gap_m: 20.0, lead_probability: 0.9, gap_scale_m: 1.0, ..Percept::default() };
            tracker.observe(Some(&percept), 10.0, 1.0 / decision_hz);
            let remembered = (0..100).take_while(|_| {
                tracker.observe(Some(&Percept::default()), 10.0, 1.0 / decision_hz);
                tracker.lead().is_some()
            });
            assert_eq!(remembered.count(), Clock::new(decision_hz).decisions_in(FORGET_S) as usize, "{decision_hz} Hz");
        }
    }

    /// A driver who stands before whatever it is told of and else speeds up, and what it passes through: its way (m) and whether
    /// it is told of a car, decision by decision. `gap_m` is what is shown, by the time (s) and the way so far.
    fn driven(seconds: f32, gap_m: impl Fn(f32, f32) -> f32) -> Vec<(f32, bool)> {
        let mut tracker = LeadTracker::believing();
        let (mut way_m, mut speed_mps) = (0.0_f32, 0.0_f32);
        let decision = |index: usize| {
            let percept = Percept {
                gap_m: gap_m(0.1 * index as f32, way_m).clamp(0.0, 60.0),
                lead_probability: 0.99,
                gap_scale_m: 1.0,
                ..Percept::default()
            };
            tracker.observe(Some(&percept), speed_mps, 0.1);
            let told = tracker.lead().is_some();
            speed_mps = (speed_mps + if told { -0.25 } else { 0.2 }).clamp(0.0, 8.0);
            way_m += 0.1 * speed_mps;
            (way_m, told)
        };
        (0..(10.0 * seconds) as usize).map(decision).collect()
    }

    #[test]
    fn a_ghost_that_comes_no_nearer_is_not_stood_before_for_ever() {
        let error_m = |time_s: f32| 1.5 * (7.0 * time_s).sin();
        let way_m = |gap_m: &dyn Fn(f32, f32) -> f32| driven(40.0, gap_m).last().expect("decisions").0;
        let stubborn = way_m(&|time_s, _| 12.0 + error_m(time_s));
        assert!(stubborn > 150.0, "{stubborn} m");
        // One that behaves like a car as long as it can be shown, down to nine metres, has to be looked at once more.
        let cunning = way_m(&|time_s, way_m| (13.0 - way_m).max(9.0) + error_m(time_s));
        assert!(cunning > 100.0, "{cunning} m");
    }

    #[test]
    fn a_car_that_stands_is_stood_before_however_long_and_whatever_perception_errs() {
        for share in [0.8, 0.9, 1.0, 1.1, 1.2] {
            for start_m in [5.0, 8.0, 12.0, 20.0] {
                let error_m = |time_s: f32| 0.8 * (5.0 * time_s).sin();
                let drive = driven(120.0, |time_s, way_m| share * (start_m - way_m) + error_m(time_s));
                let (way_m, told) = drive[drive.len() - 1];
                assert!(told && start_m - way_m > 2.0, "{} m before a car {start_m} m away, {share}", start_m - way_m);
                assert!(drive[drive.len() - 600..].iter().all(|(_, told)| *told), "in the end it is left in peace");
            }
        }
    }

    #[test]
    fn a_queue_that_moves_off_is_followed() {
        // It stands for five seconds, drives 20 m in ten, and stands again.
        let queue_m = |time_s: f32| 9.0 + 2.0 * (time_s - 5.0).clamp(0.0, 10.0);
        let drive = driven(60.0, |time_s, way_m| queue_m(time_s) - way_m);
        let mut gaps = drive.iter().enumerate().map(|(index, (way_m, _))| queue_m(0.1 * index as f32) - way_m);
        assert!(gaps.clone().all(|gap_m| gap_m > 2.5), "{:?}", gaps.clone().fold(f32::INFINITY, f32::min));
        assert!(gaps.next_back().is_some_and(|gap_m| gap_m < 9.0));
    }

    /// Bounds through a second look and through doubt, for percepts of another gap than is shown.
    #[test]
    fn bounds_hold_who_looks_again_and_who_doubts() {
        let mut tracker = LeadTracker::believing();
        let percept =
            |gap_m, lead_probability| Percept { gap_m, lead_probability, gap_scale_m: 1.0, ..Percept::default() };
        let bounds = PerceptBounds {
            lead_gap_m: Interval { low: 11.0, high: 13.0 },
            lead_probability: Interval { low: 0.3, high: 0.99 },
            gap_scale_m: Interval { low: 0.9, high: 1.1 },
            ..percept_bounds(&[Interval::exactly(0.0); OUTPUTS])
        };
        let (mut speed_mps, mut doubted) = (0.0_f32, 0);
        for _ in 0..120 {
            let cases = tracker.bounds(Some(&bounds), speed_mps, 0.1);
            for (gap_m, probability) in [(11.0, 0.99), (13.0, 0.99), (12.0, 0.6), (12.0, 0.4)] {
                let mut next = tracker;
                next.observe(Some(&percept(gap_m, probability)), speed_mps, 0.1);
                let holds = |case: &Option<Lead<Interval>>| match (case, next.lead()) {
                    (Some(case), Some(lead)) => {
                        case.gap_m.contains(lead.gap_m) && case.speed_mps.contains(lead.speed_mps)
                    }
                    (case, lead) => case.is_none() && lead.is_none(),
                };
                assert!(cases.iter().any(holds), "{next:?}\n{cases:?}");
            }
            tracker.observe(Some(&percept(12.0, 0.99)), speed_mps, 0.1);
            doubted += usize::from(tracker.lead().is_none());
            speed_mps = (speed_mps + if tracker.lead().is_some() { -0.25 } else { 0.2 }).max(0.0);
        }
        assert!(doubted > 40, "{doubted} of 120");
    }

    #[test]
    fn belief_does_not_depend_on_the_length_of_a_decision() {
        let after = |dt_s: f32, decisions: usize| {
            let mut belief = Belief::default();
            (0..decisions).for_each(|_| belief.observe(0.9, dt_s));
            belief.log_odds
        };
        assert!((after(0.1, 20) - after(0.05, 40)).abs() < 1e-3, "{} {}", after(0.1, 20), after(0.05, 40));
        assert!((after(0.1, 2) - after(0.2, 1)).abs() < 1e-3, "{} {}", after(0.1, 2), after(0.2, 1));
    }
}
