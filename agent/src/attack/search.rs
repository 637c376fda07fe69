//! Looks for the smallest fault that breaks a drive, without gradients: draws many, drives them side by side, and shrinks the
//! smallest that broke it.
//!
//! Of two faults the one of lower severity is smaller, and of two of the same severity the one that acts for fewer decisions.
//!
//! It finds faults rather than recordings, so that what it finds can be understood and asked of other drivers.

use crate::attack::found::holds;
use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::host::interrupt::{Interrupt, Stopped};
use crate::host::progress::LongWork;
use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, Perturbation, Severity};
use roadproof_sim::outcome::expectations::Expect;
use roadproof_sim::seed::Stream;
use roadproof_sim::{Clock, FleetError, Purpose, Scenario, Seed};

/// Drives side by side.
const BATCH: usize = 64;

/// A fault over some decisions of the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which fault.
    pub kind: FaultKind,
    /// How strong.
    pub severity: Severity,
    /// The first decision it acts on.
    pub first: usize,
    /// The first decision after it.
    pub end: usize,
}

impl Candidate {
    /// Draws one within so many decisions.
    fn draw(stream: &mut Stream, decisions: usize) -> Self {
        let kind = FaultKind::ALL[stream.below(FaultKind::ALL.len())];
        let severity = Severity::ALL[stream.below(Severity::ALL.len())];
        let first = stream.below(decisions);
        Self { kind, severity, first, end: first + 1 + stream.below(decisions - first) }
    }

    /// What is compared: severity first, then the number of decisions.
    #[must_use]
    pub fn size(&self) -> (Severity, usize) {
        (self.severity, self.end - self.first)
    }

    /// The same fault as a scenario states it.
    #[must_use]
    pub fn perturbation(&self, clock: Clock) -> Perturbation {
        let time_s = |decision: usize| (clock.time_s(decision as u32) * 1000.0).round() / 1000.0;
        let fault = Fault::Graded { kind: self.kind, severity: self.severity };
        Perturbation { during_s: Span(time_s(self.first), time_s(self.end)), when: None, fault }
    }

    /// Smaller ones to try next: every lower severity, as long and over the whole drive, and at the same severity the first
    /// and the last part of the span, shorter by a half, a quarter, and so on down to one decision.
    fn smaller(&self, decisions: usize) -> Vec<Self> {
        let weaker = Severity::ALL.into_iter().filter(|severity| *severity < self.severity);
        let mut smaller: Vec<Self> = weaker
            .flat_map(|severity| [Self { severity, ..*self }, Self { severity, first: 0, end: decisions, ..*self }])
            .collect();
        let mut cut = (self.end - self.first) / 2;
        while cut > 0 {
            smaller.push(Self { end: self.end - cut, ..*self });
            smaller.push(Self { first: self.first + cut, ..*self });
            cut /= 2;
        }
        smaller
    }
}

/// Why a search ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A world cannot be built.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Somebody stopped it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What a search found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The smallest.
    pub candidate: Candidate,
    /// How many of the drawn ones broke the drive.
    pub broken: usize,
}

/// A drive that is searched for what breaks it.
pub struct Search<'a> {
    /// Who drives.
    pub driver: &'a mut Driver,
    /// What.
    pub scenario: &'a Scenario,
    /// What a driver who holds must do.
    pub bounds: Expect,
    /// How many decisions the clean drive has.
    pub decisions: usize,
    /// Threads of the simulator.
    pub threads: usize,
    /// Tells whether the search is to end before it is done.
    pub interrupt: &'a Interrupt,
}

impl Search<'_> {
    /// Draws `count` candidates from a seed and shrinks the smallest that breaks the drive until none of the smaller ones it
    /// tries does; `None` if none broke it at all.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn run(&mut self, count: usize, seed: u64) -> Result<Option<Found>, SearchError> {
        let mut stream = Seed(seed).stream(Purpose::Fault);
        let mut stage = LongWork::start("search", count as u64, "faults");
        let (mut smallest, mut broken, mut drawn) = (None::<Candidate>, 0, 0);
        while drawn < count {
            self.interrupt.check()?;
            let batch: Vec<Candidate> =
                (drawn..count.min(drawn + BATCH)).map(|_| Candidate::draw(&mut stream, self.decisions)).collect();
            drawn += batch.len();
            let breaking = self.breaking(&batch)?;
            broken += breaking.len();
            smallest = smallest.into_iter().chain(breaking).min_by_key(Candidate::size);
            stage.set(drawn as u64, format_args!("{broken} broke the drive"));
        }
        stage.finish(format_args!("{broken} broke the drive"));
        let Some(mut smallest) = smallest else { return Ok(None) };
        let mut stage = LongWork::start("shrink", 0, "faults");
        let mut tried = 0;
        loop {
            self.interrupt.check()?;
            let smaller = smallest.smaller(self.decisions);
            tried += smaller.len() as u64;
            let next = if smaller.is_empty() {
                None
            } else {
                self.breaking(&smaller)?.into_iter().min_by_key(Candidate::size)
            };
            stage.set(tried, format_args!("severity {}, {} decisions", smallest.severity.get(), smallest.size().1));
            let Some(next) = next else { break };
            smallest = next;
        }
        let Candidate { kind, severity, first, end } = smallest;
        let severity = severity.get();
        stage.finish(format_args!("{kind:?} of severity {severity} on {} decisions from {first} on", end - first));
        Ok(Some(Found { candidate: smallest, broken }))
    }

    /// The scenario with a candidate at the end of its perturbations.
    #[must_use]
    pub fn with(&self, candidate: &Candidate) -> Scenario {
        let mut scenario = self.scenario.clone();
        scenario.perturbations.push(candidate.perturbation(Clock::new(scenario.decision_hz)));
        Scenario { expect: self.bounds, ..scenario }
    }

    /// Drives all side by side and returns those that broke the drive.
    fn breaking(&mut self, candidates: &[Candidate]) -> Result<Vec<Candidate>, FleetError> {
        let scenarios: Vec<Scenario> = candidates.iter().map(|candidate| self.with(candidate)).collect();
        let mut rollout = Rollout::start(scenarios, self.driver, self.threads)?;
        rollout.to_the_end();
        let seen = rollout.seen();
        let ends = candidates.iter().zip(seen.verdicts.iter().zip(&seen.scores));
        let breaks = ends.filter(|(_, (verdict, score))| !holds(&self.bounds, verdict.outcome, score));
        Ok(breaks.map(|(candidate, _)| *candidate).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(severity: usize, first: usize, end: usize) -> Candidate {
        Candidate { kind: FaultKind::Fog, severity: Severity::ALL[severity], first, end }
    }

    #[test]
    fn what_is_tried_next_is_smaller_and_in_the_drive() {
        let mut stream = Seed(4).stream(Purpose::Fault);
        for decisions in [1, 2, 7, 100] {
            for _ in 0..200 {
                let drawn = Candidate::draw(&mut stream, decisions);
                assert!(drawn.first < drawn.end && drawn.end <= decisions, "{drawn:?}");
                for smaller in drawn.smaller(decisions) {
                    assert!(smaller.size() < drawn.size(), "{smaller:?} is not smaller than {drawn:?}");
                    assert!(smaller.first < smaller.end && smaller.end <= decisions, "{smaller:?}");
                }
            }
        }
        assert!(candidate(0, 3, 4).smaller(9).is_empty());
    }

    #[test]
    fn a_span_holds_the_decisions_it_is_for() {
        for decision_hz in [1.0_f32, 3.0, 10.0, 30.0, 50.0] {
            let clock = Clock::new(decision_hz);
            for (first, end) in [(0, 1), (1, 2), (5, 40), (999, 1000)] {
                let span = candidate(1, first, end).perturbation(clock).during_s;
                let inside: Vec<usize> = (0..1100).filter(|step| span.contains(clock, *step as u32)).collect();
                assert_eq!(inside, (first..end).collect::<Vec<_>>(), "{decision_hz} per second: {span:?}");
            }
        }
    }
}
