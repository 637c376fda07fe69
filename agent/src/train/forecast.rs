//! How long the rest of a run will take on this machine, and how the minutes that somebody wishes are shared among its stages.
//!
//! A moment of each stage is timed on frames, drives and networks of its own, so that the run itself has the same bits with it.

use crate::host::interrupt::Interrupt;
use crate::host::pace::Allotment;
use crate::train::checkpoint::{COLLECT, EVALUATE, LEARN, PERCEIVE, Progress};
use crate::train::settings::Settings;
use crate::train::{collect, learn, perceive};
use roadproof_sim::{Scenario, generate_drive};
use std::fmt::{self, Display};
use std::time::Duration;

/// Share of a run's minutes that is kept for the evaluation at most.
const MOST_FOR_EVALUATION: f64 = 0.3;

/// Seconds that each unit of work takes on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitTimes {
    /// A frame that is collected.
    pub frame_s: f64,
    /// An optimiser step of perception.
    pub step_s: f64,
    /// An update of the policy, with its drives.
    pub update_s: f64,
    /// The evaluation.
    pub evaluate_s: f64,
}

impl UnitTimes {
    /// Times a moment of each stage; nothing if somebody interrupts.
    ///
    /// # Errors
    /// Settings that describe drives or a network that cannot be built.
    pub fn measure(settings: &Settings, found: &[Scenario], interrupt: &Interrupt) -> anyhow::Result<Self> {
        let (mut perception, mut frame_s, mut step_s) = (None, 0.0, 0.0);
        if settings.percepts {
            let frames;
            (frames, frame_s) = collect::sample(settings, interrupt)?;
            if interrupt.requested() {
                return Ok(Self::default());
            }
            let (network, seconds) = perceive::sample(settings, &frames)?;
            (perception, step_s) = (Some(network), seconds);
        }
        // At the end of the training a hardening is at its full size.
        let mut environment = learn::environment(settings, found, perception.as_ref(), 0, 1.0)?;
        let (update_s, decision_s) = learn::sample(settings, &mut environment)?;
        let drive = generate_drive(settings.evaluate.road_seeds()[0], &settings.drive);
        let decisions = f64::from(drive.duration_s * drive.decision_hz);
        let evaluate_s = decisions * decision_s * settings.evaluate.roads as f64 / settings.amount().worlds as f64;
        Ok(Self { frame_s, step_s, update_s, evaluate_s })
    }
}

/// Seconds that what is left of each stage will take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Stage 1.
    pub collect_s: f64,
    /// Stage 2.
    pub perceive_s: f64,
    /// Stage 3.
    pub learn_s: f64,
    /// Stage 4.
    pub evaluate_s: f64,
}

impl Forecast {
    /// What is left of a run that has come so far.
    #[must_use]
    pub fn new(times: &UnitTimes, settings: &Settings, progress: &Progress) -> Self {
        let frames = settings.collect.frames + settings.collect.validation_frames;
        let left =
            |ended: bool, planned: usize, done: usize| if ended { 0 } else { planned.saturating_sub(done) } as f64;
        let perceives = !progress.perception_has_ended();
        Self {
            collect_s: if perceives { times.frame_s * frames as f64 } else { 0.0 },
            perceive_s: times.step_s * left(!perceives, settings.perceive.steps, progress.perceive_steps),
            learn_s: times.update_s
                * left(progress.policy_has_ended(), settings.amount().updates, progress.learn_updates),
            evaluate_s: times.evaluate_s,
        }
    }

    /// The stages by name, in their order.
    #[must_use]
    pub fn stages(&self) -> [(&'static str, f64); 4] {
        let Self { collect_s, perceive_s, learn_s, evaluate_s } = *self;
        [(COLLECT, collect_s), (PERCEIVE, perceive_s), (LEARN, learn_s), (EVALUATE, evaluate_s)]
    }

    /// All of it.
    #[must_use]
    pub fn all_s(&self) -> f64 {
        self.stages().iter().map(|(_, seconds)| seconds).sum()
    }

    /// The time for a stage that begins now, in a run that has spent some of the minutes it was given: all that the stages after it
    /// leave over, or where they do not leave enough, a share as great as its work.
    ///
    /// # Panics
    /// If there is no such stage.
    #[must_use]
    pub fn allot(&self, stage: &str, minutes: Option<f64>, spent_s: f64) -> Allotment {
        let stages = self.stages();
        let at = stages.iter().position(|(name, _)| *name == stage).expect("a stage of the run");
        let need_s = stages[at].1.max(1e-3);
        let later_s: f64 =
            stages[at + 1..].iter().filter(|(name, _)| *name != EVALUATE).map(|(_, seconds)| seconds).sum();
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let Some(all_s) = minutes.map(|minutes| 60.0 * minutes) else {
            return Allotment { limit: None, later: seconds(later_s + self.evaluate_s) };
        };
        let left_s = (all_s - spent_s - self.evaluate_s.min(MOST_FOR_EVALUATION * all_s)).max(0.0);
        let limit_s = (left_s - later_s).max(left_s * need_s / (need_s + later_s));
        let later_s = later_s.min((left_s - limit_s).max(0.0));
        Allotment { limit: Some(seconds(limit_s)), later: seconds(later_s + self.evaluate_s) }
    }
}

impl Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.stages().into_iter().filter(|(_, seconds)| *seconds > 0.0);
        let each: Vec<String> = each.map(|(stage, seconds)| format!("{stage} {}", roughly(seconds))).collect();
        write!(f, "about {} on this machine ({})", roughly(self.all_s()), each.join(", "))
    }
}

/// A length of time as exactly as it can be foreseen.
fn roughly(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{:.0} s", seconds.max(1.0)),
        90.0..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::checkpoint::Cut;

    const FORECAST: Forecast = Forecast { collect_s: 20.0, perceive_s: 200.0, learn_s: 160.0, evaluate_s: 10.0 };

    fn limit_s(stage: &str, minutes: f64, spent_s: f64) -> f64 {
        let limit = FORECAST.allot(stage, Some(minutes), spent_s).limit;
        limit.expect("there is a clock").as_secs_f64()
    }

    #[test]
    fn a_forecast_reads_like_a_sentence() {
        assert_eq!(
            FORECAST.to_string(),
            "about 6 min on this machine (collect 20 s, perceive 3 min, learn 3 min, evaluate 10 s)"
        );
        let rest = Forecast { learn_s: 7200.0, evaluate_s: 0.2, ..Forecast::default() };
        assert_eq!(rest.to_string(), "about 2.0 h on this machine (learn 2.0 h, evaluate 1 s)");
    }

    #[test]
    fn without_minutes_no_stage_has_a_limit() {
        let allotment = FORECAST.allot(PERCEIVE, None, 1e6);
        assert_eq!(allotment, Allotment { limit: None, later: Duration::from_secs(170) });
    }

    #[test]
    fn minutes_that_suffice_are_not_shared_out() {
        // 600 s, of which the evaluation keeps 10 and later stages what they need.
        assert!((limit_s(COLLECT, 10.0, 0.0) - 230.0).abs() < 1e-6);
        assert!((limit_s(PERCEIVE, 10.0, 20.0) - 410.0).abs() < 1e-6);
        assert!((limit_s(LEARN, 10.0, 220.0) - 370.0).abs() < 1e-6);
    }

    #[test]
    fn minutes_that_do_not_suffice_are_shared_by_the_work() {
        // 120 s, of which the evaluation keeps 10.
        assert!((limit_s(COLLECT, 2.0, 0.0) - 110.0 * 20.0 / 380.0).abs() < 1e-6);
        assert!((limit_s(PERCEIVE, 2.0, 5.0) - 105.0 * 200.0 / 360.0).abs() < 1e-6);
        assert!((limit_s(LEARN, 2.0, 60.0) - 50.0).abs() < 1e-6);
        // The evaluation takes no more than its share from learning, and what is spent is spent.
        assert!((limit_s(LEARN, 0.1, 0.0) - 4.2).abs() < 1e-6);
        assert!(limit_s(LEARN, 2.0, 130.0) == 0.0 && limit_s(COLLECT, 2.0, 130.0) == 0.0);
    }

    #[test]
    fn what_is_done_is_not_forecast() {
        let times = UnitTimes { frame_s: 0.5, step_s: 2.0, update_s: 3.0, evaluate_s: 4.0 };
        let mut settings = Settings::default();
        (settings.collect.frames, settings.collect.validation_frames) = (30, 10);
        (settings.perceive.steps, settings.learn.updates) = (100, 50);
        let fresh = Forecast::new(&times, &settings, &Progress::default());
        assert_eq!(fresh, Forecast { collect_s: 20.0, perceive_s: 200.0, learn_s: 150.0, evaluate_s: 4.0 });
        let half = Progress { perceive_steps: 50, learn_updates: 10, ..Progress::default() };
        let half = Forecast::new(&times, &settings, &half);
        assert_eq!(half, Forecast { perceive_s: 100.0, learn_s: 120.0, ..fresh });
        let mut cut = Progress { perceive_steps: 50, learn_updates: 10, ..Progress::default() };
        cut.cut.insert(PERCEIVE.to_owned(), Cut { done: 50, planned: 100, minutes: 1.0 });
        let cut = Forecast::new(&times, &settings, &cut);
        assert_eq!(cut, Forecast { collect_s: 0.0, perceive_s: 0.0, learn_s: 120.0, evaluate_s: 4.0 });
    }
}
