//! The clock of a drive: its time is the number of decisions so far, and this is what a time in seconds means on it.
//!
//! Whoever compares times asks here, so that a script, a hold, a fault's span and the end of a drive all count alike.
//!
//! - A point in time means the decision nearest to it; half way between two, the later one. At ten decisions a second 0.3 s is
//!   decision 3, and so are 0.28 s and 0.25 s.
//! - A duration means the nearest number of decisions, counted from the one in which it begins, but at least one: what a file
//!   asks for does happen.
//! - A span means the decisions from its beginning up to but without its end.
//!
//! Seconds themselves are never compared: in single precision 9 × 0.1 is more than 0.9, and 0.4 − 0.3 is less than 0.1.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// How many decisions a second a drive has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    decision_hz: f32,
}

/// Share of a decision by which a time may fall short of half way and still means the later decision: times that stand in a file
/// to the millisecond are off by up to 0.025 of a decision.
const HALF_WAY: f64 = 0.03;

impl Clock {
    /// The clock of a drive with so many decisions a second.
    #[must_use]
    pub fn new(decision_hz: f32) -> Self {
        Self { decision_hz }
    }

    /// How long a decision lasts.
    #[must_use]
    pub fn decision_s(self) -> f32 {
        1.0 / self.decision_hz
    }

    /// When a decision is made, from the start of the drive.
    #[must_use]
    pub fn time_s(self, decision: u32) -> f32 {
        decision as f32 * self.decision_s()
    }

    /// The decision that a point in time means; the last that there can be for times beyond any drive.
    #[must_use]
    pub fn decision_at(self, time_s: f32) -> u32 {
        (f64::from(time_s) * f64::from(self.decision_hz) + 0.5 + HALF_WAY) as u32
    }

    /// How many decisions a duration means.
    #[must_use]
    pub fn decisions_in(self, duration_s: f32) -> u32 {
        self.decision_at(duration_s).max(u32::from(duration_s > 0.0))
    }

    /// Whether a decision lies in the span from one point in time up to, but without, another.
    #[must_use]
    pub fn is_within(self, decision: u32, from_s: f32, to_s: f32) -> bool {
        let from = self.decision_at(from_s);
        let to = self.decision_at(to_s).max(from.saturating_add(u32::from(to_s > from_s)));
        (from..to).contains(&decision)
    }

    /// Times closer together than this are the same.
    pub(crate) fn same_s(self) -> f32 {
        HALF_WAY as f32 * self.decision_s()
    }

    /// Whether a decision lies in the first `first_s` of a period that begins anew every `period_s` from the start of the drive.
    #[must_use]
    pub(crate) fn is_in_first(self, decision: u32, first_s: f32, period_s: f32) -> bool {
        let begun = f64::from(decision) / f64::from(self.decision_hz) / f64::from(period_s);
        // The next period may begin with a decision a little before it.
        let starts = [begun.floor() + 1.0, begun.floor()].map(|number| (number * f64::from(period_s)) as f32);
        let last = starts.into_iter().find(|&start_s| self.decision_at(start_s) <= decision);
        last.is_some_and(|start_s| self.is_within(decision, start_s, start_s + first_s))
    }
}

/// A time span `(from, to)` in seconds: the decisions from its beginning up to but without its end, which may lie beyond the drive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span(pub f32, pub f32);

impl Span {
    /// Whether a decision lies in the span, its end excluded.
    #[must_use]
    pub fn contains(self, clock: Clock, decision: u32) -> bool {
        clock.is_within(decision, self.0, self.1)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (from_s, to_s) = <(f32, f32)>::deserialize(deserializer)?;
        if from_s >= 0.0 && from_s < to_s {
            Ok(Self(from_s, to_s))
        } else {
            Err(D::Error::custom(format!("span ({from_s}, {to_s}), allowed is (from, to) with 0 <= from < to")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decision rates with times to the last digit that a file would state them with: tenths, hundredths or thousandths.
    const RATES_HZ: [f32; 8] = [1.0, 5.0, 7.0, 10.0, 20.0, 25.0, 30.0, 50.0];

    #[test]
    fn times_mean_the_decisions_they_are_written_for() {
        for decision_hz in RATES_HZ {
            let clock = Clock::new(decision_hz);
            for decision in 0..3600 * decision_hz as u32 {
                // As a file states it, to the millisecond.
                let written = format!("{:.3}", f64::from(decision) / f64::from(decision_hz));
                assert_eq!(clock.decision_at(written.parse().unwrap()), decision, "{written} s at {decision_hz} Hz");
                assert_eq!(clock.decision_at(clock.time_s(decision)), decision, "at {decision_hz} Hz");
            }
        }
    }

    #[test]
    fn every_pair_of_a_beginning_and_a_duration_in_tenths_is_counted_right() {
        for decision_hz in RATES_HZ {
            let clock = Clock::new(decision_hz);
            for at in 0..200 {
                for length in 1..60 {
                    let [at_s, for_s] = [at, length].map(|tenths| format!("{}.{}", tenths / 10, tenths % 10));
                    let [at_s, for_s]: [f32; 2] = [at_s, for_s].map(|text| text.parse().unwrap());
                    let begin = clock.decision_at(at_s);
                    let end = begin + clock.decisions_in(for_s);
                    // In whole numbers: tenths of a second times decisions a second, rounded half up.
                    let nearest = |tenths: u32| (tenths * decision_hz as u32 + 5) / 10;
                    assert_eq!(begin, nearest(at), "{at_s} s at {decision_hz} Hz");
                    assert_eq!(end - begin, nearest(length).max(1), "{for_s} s at {decision_hz} Hz");
                    let to_s = (at + length) as f32 / 10.0;
                    let inside: Vec<u32> = (nearest(at).saturating_sub(2)..nearest(at + length) + 3)
                        .filter(|&decision| clock.is_within(decision, at_s, to_s))
                        .collect();
                    let expected = nearest(at)..nearest(at + length).max(nearest(at) + 1);
                    assert_eq!(inside, expected.collect::<Vec<_>>(), "{at_s} to {to_s} s at {decision_hz} Hz");
                }
            }
        }
    }

    #[test]
    fn between_two_decisions_the_nearest_counts_and_half_way_the_later_one() {
        let clock = Clock::new(10.0);
        let decisions = [0.0, 0.04, 0.05, 0.14, 1.15, 1.149, 1.14].map(|time_s| clock.decision_at(time_s));
        assert_eq!(decisions, [0, 0, 1, 1, 12, 12, 11]);
        assert_eq!([0.0, 0.001, 0.26, 0.349].map(|for_s| clock.decisions_in(for_s)), [0, 1, 3, 4]);
        assert!(clock.is_within(4, 0.42, 0.44), "no span is lost between two decisions");
        assert!(!clock.is_within(4, 0.4, 0.4), "but an empty one");
        assert!(clock.is_within(3_000_000, 0.0, f32::MAX));
    }

    #[test]
    fn a_part_of_each_period_is_the_same_part_of_all_of_them() {
        for decision_hz in [10.0, 20.0, 25.0, 30.0, 50.0_f32] {
            let clock = Clock::new(decision_hz);
            for tenths in 1..=10 {
                for second in 0..600 {
                    let decisions = second * decision_hz as u32..(second + 1) * decision_hz as u32;
                    let first_s = tenths as f32 / 10.0;
                    let count = decisions.filter(|&decision| clock.is_in_first(decision, first_s, 1.0)).count();
                    let expected = (tenths * decision_hz as usize + 5) / 10;
                    assert_eq!(count, expected, "{tenths} tenths of second {second} at {decision_hz} Hz");
                }
            }
        }
        let slow = Clock::new(2.0);
        let first: Vec<u32> = (0..8).filter(|&decision| slow.is_in_first(decision, 0.1, 1.0)).collect();
        assert_eq!(first, [0, 2, 4, 6], "one at least");
        let uneven = Clock::new(7.4);
        assert!((0..10_000).all(|decision| uneven.is_in_first(decision, 1.0, 1.0)), "all of each period");
    }
}
