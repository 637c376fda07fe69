//! How far a stage is along its schedules, and when it ends.
//!
//! Schedules follow the work done, and nothing else, as long as what is left of the work fits into the time given: such a
//! stage has the same bits on any machine. Only where it does not fit does the clock have a say: what is left of the schedules
//! is then spread over the units that still fit, so that learning rates and exploration end where they should.
//!
//! What the clock cut stands in `result.json`, and more minutes take it up again.

use std::time::{Duration, Instant};

/// Share of the time given that passes before the speed so far is believed.
const BELIEVED_FROM: f64 = 0.05;

/// The time that a stage is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// How long the stage may take; `None` without a clock.
    pub limit: Option<Duration>,
    /// How long the stages after it will take, for people who watch.
    pub later: Duration,
}

/// The pace of one stage.
#[derive(Debug)]
pub struct Pace {
    first: usize,
    total: usize,
    limit: Option<Duration>,
    started: Instant,
    /// When the first unit was done, which takes longer than the others.
    warm: Option<Duration>,
    progress: f64,
    hurried: bool,
}

impl Pace {
    /// A stage of `total` units, of which an earlier session did the `first`, begins now.
    ///
    /// # Panics
    /// If there are no units.
    #[must_use]
    pub fn new(first: usize, total: usize, limit: Option<Duration>) -> Self {
        assert!(total > 0, "a stage has work to do");
        let progress = first.saturating_sub(1) as f64 / total as f64;
        Self { first, total, limit, started: Instant::now(), warm: None, progress, hurried: false }
    }

    /// Whether there is work left and time for it. However little time there is, one unit is done.
    #[must_use]
    pub fn goes_on(&self, done: usize) -> bool {
        self.goes_on_at(done, self.started.elapsed())
    }

    /// Share of the schedules, 0 to 1, at which the unit after `done` units stands; to be asked once before each unit.
    pub fn progress(&mut self, done: usize) -> f64 {
        self.progress_at(done, self.started.elapsed())
    }

    /// Whether the clock had a say in [`Pace::progress`]: such a stage is not repeatable.
    #[must_use]
    pub fn hurried(&self) -> bool {
        self.hurried
    }

    fn goes_on_at(&self, done: usize, elapsed: Duration) -> bool {
        done < self.total && (done == self.first || self.limit.is_none_or(|limit| elapsed < limit))
    }

    fn progress_at(&mut self, done: usize, elapsed: Duration) -> f64 {
        if done > self.first {
            self.warm.get_or_insert(elapsed);
        }
        let left = self.total.saturating_sub(done) as f64;
        let fit = self.units_that_fit(done, elapsed).unwrap_or(left).min(left);
        self.hurried |= fit < left;
        self.progress = match self.hurried {
            false => done as f64 / self.total as f64,
            true => self.progress + (1.0 - self.progress) / (fit + 1.0),
        };
        self.progress
    }

    /// Units that fit into what is left of the time at the speed so far; `None` where nothing is known against all of them.
    fn units_that_fit(&self, done: usize, elapsed: Duration) -> Option<f64> {
        let limit = self.limit?;
        if elapsed >= limit {
            return Some(0.0);
        }
        if done == self.first || elapsed < limit.mul_f64(BELIEVED_FROM) {
            return None;
        }
        let (units, took) = match self.warm {
            Some(warm) if elapsed > warm => (done - self.first - 1, elapsed - warm),
            _ => (done - self.first, elapsed),
        };
        Some(units as f64 / took.as_secs_f64() * (limit - elapsed).as_secs_f64())
    }
}

/// Mean seconds of a piece of work: once to warm up, then a few times or for a moment.
pub(crate) fn seconds_of(mut work: impl FnMut()) -> f64 {
    const TIMES: u32 = 4;
    const MOMENT: Duration = Duration::from_millis(300);
    work();
    let start = Instant::now();
    let mut times = 0;
    while times < TIMES && (times == 0 || start.elapsed() < MOMENT) {
        work();
        times += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stage of 100 units is asked before each unit, if each takes so many seconds, and how many it does.
    fn driven(first: usize, limit_s: Option<u64>, unit_s: impl Fn(usize) -> f64) -> (Vec<f64>, usize, bool) {
        let mut pace = Pace::new(first, 100, limit_s.map(Duration::from_secs));
        let (mut done, mut elapsed) = (first, Duration::ZERO);
        let mut asked = Vec::new();
        while pace.goes_on_at(done, elapsed) {
            asked.push(pace.progress_at(done, elapsed));
            elapsed += Duration::from_secs_f64(unit_s(done));
            done += 1;
        }
        (asked, done, pace.hurried())
    }

    fn by_work(first: usize) -> Vec<f64> {
        (first..100).map(|done| done as f64 / 100.0).collect()
    }

    #[test]
    fn without_a_clock_progress_is_the_work_done() {
        assert_eq!(driven(0, None, |_| 1000.0), (by_work(0), 100, false));
        assert_eq!(driven(40, None, |_| 1000.0), (by_work(40), 100, false));
    }

    #[test]
    fn a_clock_that_leaves_enough_time_changes_no_bit() {
        assert_eq!(driven(0, Some(101), |_| 1.0), (by_work(0), 100, false));
        assert_eq!(driven(40, Some(61), |_| 1.0), (by_work(40), 100, false));
        // A first unit that would be too slow for all of them, and a pause in between.
        let uneven = |done| if done == 0 { 8.0 } else { f64::from(u8::from(done == 50)) * 20.0 + 1.0 };
        assert_eq!(driven(0, Some(200), uneven), (by_work(0), 100, false));
    }

    #[test]
    fn schedules_end_with_the_time() {
        let (asked, done, hurried) = driven(0, Some(25), |_| 1.0);
        assert!(hurried && done == 25, "{done}");
        assert!(asked.windows(2).all(|pair| pair[0] < pair[1]), "{asked:?}");
        assert!(asked[12] > 0.4 && asked[12] < 0.6 && asked[24] > 0.9 && asked[24] <= 1.0, "{asked:?}");
    }

    #[test]
    fn a_machine_that_becomes_busy_ends_the_schedules_all_the_same() {
        let (asked, done, hurried) = driven(0, Some(120), |done| if done < 50 { 1.0 } else { 4.0 });
        assert!(hurried && done < 70, "{done}");
        assert!(asked[..51] == by_work(0)[..51] && *asked.last().expect("units") > 0.9, "{asked:?}");
    }

    #[test]
    fn a_machine_that_becomes_free_does_the_work_without_a_jump() {
        let (asked, done, hurried) = driven(0, Some(120), |done| if done < 20 { 3.0 } else { 0.1 });
        assert!(hurried && done == 100);
        assert!(asked.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] < 0.05), "{asked:?}");
        assert!(asked[99] > 0.98 && asked[99] <= 1.0, "{asked:?}");
    }

    #[test]
    fn with_no_time_at_all_one_unit_is_done_at_the_end_of_the_schedules() {
        assert_eq!(driven(0, Some(0), |_| 1.0), (vec![1.0], 1, true));
        assert_eq!(driven(70, Some(0), |_| 1.0), (vec![1.0], 71, true));
        assert_eq!(driven(100, Some(0), |_| 1.0), (vec![], 100, false));
    }
}
