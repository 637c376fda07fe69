//! Shows how far a long stage has come: a bar on a terminal, a line now and then anywhere else, both on stderr.
//!
//! The wall clock is read for display only. Results go to stdout and into files, and are not this module's business.

use crate::host::pace::Allotment;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::host::console::{is_quiet, note};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines in a log, unless [`LongWork::with_line_every`] says otherwise.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The same for whoever wants to hear more.
const LINE_EVERY_OFTEN: Duration = Duration::from_secs(1);
/// Between two drawings of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Whether somebody wants to hear more.
static OFTEN: AtomicBool = AtomicBool::new(false);

/// Shows a line every second from now on, where standard error is no terminal.
pub fn tell_often() {
    OFTEN.store(true, Ordering::Relaxed);
}

/// A long piece of work that is under way. Dropping it without [`LongWork::finish`] removes the bar and prints nothing.
#[derive(Debug)]
pub struct LongWork {
    amount: Amount,
    limit: Option<Duration>,
    started: Instant,
    shown_at: Option<Duration>,
    line_every: Duration,
    /// `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
}

impl LongWork {
    /// Starts a stage of `total_units`; 0 where the amount is not known beforehand.
    ///
    /// `unit_name` is a plural: `frames`, `steps`; empty where the units are of no interest but as a share of the whole.
    pub fn start(name: &str, total_units: u64, unit_name: &str) -> Self {
        let bar = bar_on_terminal(name, total_units);
        let mut stage = Self {
            amount: Amount {
                stage: name.into(),
                unit_name: unit_name.into(),
                total: total_units,
                before: 0,
                done: 0,
                later: Duration::ZERO,
                later_times: 0.0,
            },
            limit: None,
            started: Instant::now(),
            shown_at: None,
            line_every: if OFTEN.load(Ordering::Relaxed) { LINE_EVERY_OFTEN } else { LINE_EVERY },
            bar,
        };
        if stage.bar.is_none() {
            note(stage.amount.first_line());
            stage.shown_at = Some(Duration::ZERO);
        }
        stage
    }

    /// Says that the stage ends after a limit, if it has one, even if units are left, which shortens the time left, and
    /// that others come after it, whose time is shown with it. Ending it is up to the caller.
    pub fn with_allotment(mut self, allotment: Allotment) -> Self {
        self.limit = allotment.limit;
        self.amount.later = allotment.later;
        self
    }

    /// Says that stages come after this one that take so many times as long as it does, as far as anybody knows.
    pub fn with_later(mut self, times: f64) -> Self {
        self.amount.later_times = times;
        self
    }

    /// Says that `units` of the total were done by an earlier process, which the rate must not count.
    pub fn with_done(mut self, units: u64) -> Self {
        self.amount.before = units;
        self.amount.done = units;
        self
    }

    /// Sets the least time between two lines where stderr is no terminal, 10 s by default.
    pub fn with_line_every(mut self, gap: Duration) -> Self {
        self.line_every = gap;
        self
    }

    /// Tells how many units are done, and the figures that matter. Cheap enough for every unit: `message` is not
    /// formatted unless it is shown, so hand over `format_args!`.
    pub fn set(&mut self, done: u64, message: impl Display) {
        self.amount.done = done;
        let elapsed = self.started.elapsed();
        if !self.is_due(elapsed) {
            return;
        }
        let figures = self.amount.figures(elapsed, self.limit, message);
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(figures);
            }
            None => note(format_args!("{}: {}{figures}", self.amount.stage, self.amount.percent())),
        }
    }

    /// Prints a line of its own above the bar, or among the lines.
    pub fn note(&self, text: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Ends the stage with a last line, which counts the units of the last [`LongWork::set`], and returns how long it
    /// took.
    pub fn finish(self, summary: impl Display) -> Duration {
        let elapsed = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        note(self.amount.last_line(elapsed, summary));
        elapsed
    }

    /// Whether enough time has passed since the last time something was shown; if so, that time is now.
    fn is_due(&mut self, elapsed: Duration) -> bool {
        let gap = match self.bar {
            Some(_) => BAR_EVERY,
            None => self.line_every,
        };
        let due = self.shown_at.is_none_or(|shown| elapsed >= shown + gap);
        if due {
            self.shown_at = Some(elapsed);
        }
        due
    }
}

fn bar_on_terminal(name: &str, total_units: u64) -> Option<ProgressBar> {
    let length = (total_units > 0).then_some(total_units);
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    if is_quiet() || bar.is_hidden() {
        return None;
    }
    let template = match length {
        Some(_) => "{prefix} [{bar:16}] {percent} % {wide_msg}",
        None => "{prefix} {spinner} {elapsed_precise} {wide_msg}",
    };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(name.to_string());
    // The clock in the bar runs on while a unit takes long.
    bar.enable_steady_tick(Duration::from_millis(500));
    Some(bar)
}

/// How much of what is done, and the words for it; reads no clock.
#[derive(Debug)]
struct Amount {
    stage: String,
    unit_name: String,
    total: u64,
    before: u64,
    done: u64,
    /// Time that the stages after this one will take.
    later: Duration,
    /// The same where it is only known over what this stage takes.
    later_times: f64,
}

impl Amount {
    fn first_line(&self) -> String {
        let (stage, unit_name) = (&self.stage, &self.unit_name);
        match self.total {
            0 => format!("{stage}: started"),
            _ if unit_name.is_empty() => format!("{stage}: started"),
            total => format!("{stage}: started, {total} {unit_name}"),
        }
    }

    /// The share that is done, as what a line begins with; nothing where the amount is not known.
    fn percent(&self) -> String {
        match self.total {
            0 => String::new(),
            total => format!("{} %, ", self.done as u128 * 100 / u128::from(total)),
        }
    }

    /// What people wait for first: what a narrow terminal cuts off is the count.
    fn figures(&self, elapsed: Duration, limit: Option<Duration>, message: impl Display) -> String {
        let left = self.time_left(elapsed, limit).map(|left| {
            let whole = elapsed.saturating_add(left).as_secs_f64();
            let later = Duration::try_from_secs_f64(self.later_times * whole).unwrap_or(Duration::MAX);
            match self.later.saturating_add(later) {
                Duration::ZERO => format!("{} left", in_words(left)),
                later => format!("{} left, {} of the run", in_words(left), in_words(left.saturating_add(later))),
            }
        });
        let mut parts = vec![left.unwrap_or_default(), message.to_string()];
        if !self.unit_name.is_empty() {
            parts.push(self.counted());
            parts.extend(self.rate(elapsed).map(|rate| self.rate_in_words(rate)));
        }
        joined(parts, "")
    }

    fn last_line(&self, elapsed: Duration, summary: impl Display) -> String {
        let rate = self.rate(elapsed).filter(|_| !self.unit_name.is_empty());
        let rate = rate.map(|rate| format!(" ({})", self.rate_in_words(rate))).unwrap_or_default();
        let (stage, counted) = (&self.stage, self.counted());
        let ended = format!("{stage}: {counted} in {}{rate}", in_words(elapsed));
        joined(vec![ended], summary)
    }

    fn counted(&self) -> String {
        let (done, unit_name) = (self.done, &self.unit_name);
        match self.total {
            total if unit_name.is_empty() => format!("{} %", done as u128 * 100 / u128::from(total.max(1))),
            total if total == 0 || total == done => format!("{done} {unit_name}"),
            total => format!("{done} of {total} {unit_name}"),
        }
    }

    /// Units per second of this process, over the whole stage; `None` before the first unit.
    fn rate(&self, elapsed: Duration) -> Option<f64> {
        let here = self.done.saturating_sub(self.before);
        (here > 0 && !elapsed.is_zero()).then(|| here as f64 / elapsed.as_secs_f64())
    }

    fn rate_in_words(&self, rate: f64) -> String {
        let decimals = match rate {
            _ if rate >= 100.0 => 0,
            _ if rate >= 1.0 => 1,
            _ => 3,
        };
        format!("{rate:.decimals$} {}/s", self.unit_name)
    }

    /// Until the units are done or the limit is reached, whichever is sooner; `None` where neither is known. The first hundredth of the
    /// units says too little of the others: drives, say, count at their ends, and the first to end is the shortest.
    fn time_left(&self, elapsed: Duration, limit: Option<Duration>) -> Option<Duration> {
        let of_limit = limit.map(|limit| limit.saturating_sub(elapsed));
        let tells = self.total > 0 && 100 * self.done >= self.total;
        let of_units = self.rate(elapsed).filter(|_| tells).map(|rate| {
            let seconds = self.total.saturating_sub(self.done) as f64 / rate;
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        });
        of_limit.into_iter().chain(of_units).min()
    }
}

fn joined(mut parts: Vec<String>, last: impl Display) -> String {
    parts.push(last.to_string());
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// A length of time for people.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn amount(total: u64, before: u64, done: u64) -> Amount {
        Amount {
            stage: "collect".into(),
            unit_name: "frames".into(),
            total,
            before,
            done,
            later: s(0),
            later_times: 0.0,
        }
    }

    fn stage_without_terminal() -> LongWork {
        LongWork {
            amount: amount(100, 0, 0),
            limit: None,
            started: Instant::now(),
            shown_at: Some(Duration::ZERO),
            line_every: LINE_EVERY,
            bar: None,
        }
    }

    #[test]
    fn a_line_tells_rate_and_time_left() {
        let line = amount(1000, 0, 250).figures(s(100), None, format_args!("loss {:.2}", 0.5));
        let expected = "5 min 00 s left, loss 0.50, 250 of 1000 frames, 2.5 frames/s";
        assert_eq!(line, expected);
    }

    #[test]
    fn units_of_no_interest_are_a_share() {
        let drive = |done| Amount { unit_name: String::new(), ..amount(100, 0, done) };
        assert_eq!(drive(0).first_line(), "collect: started");
        assert_eq!(drive(25).percent() + &drive(25).figures(s(10), None, ""), "25 %, 30 s left");
        assert_eq!(drive(40).last_line(s(4), "off the road"), "collect: 40 % in 4.0 s, off the road");
    }

    #[test]
    fn what_was_done_before_does_not_count_as_speed() {
        let line = amount(1000, 900, 950).figures(s(10), None, "");
        assert_eq!(line, "10 s left, 950 of 1000 frames, 5.0 frames/s");
    }

    #[test]
    fn what_comes_after_the_stage_is_added() {
        let line = Amount { later: s(50), ..amount(1000, 0, 250) }.figures(s(100), None, "");
        assert_eq!(line, "5 min 00 s left, 5 min 50 s of the run, 250 of 1000 frames, 2.5 frames/s");
        let line = Amount { later: s(50), ..amount(1000, 0, 250) }.figures(s(100), Some(s(108)), "");
        assert_eq!(line, "8.0 s left, 58 s of the run, 250 of 1000 frames, 2.5 frames/s");
    }

    #[test]
    fn stages_of_which_only_the_relation_is_known_are_added() {
        let line = Amount { later_times: 0.5, ..amount(1000, 0, 250) }.figures(s(100), None, "");
        assert_eq!(line, "5 min 00 s left, 8 min 20 s of the run, 250 of 1000 frames, 2.5 frames/s");
    }

    #[test]
    fn the_sooner_end_is_shown() {
        let half = amount(100, 0, 50);
        assert_eq!(half.time_left(s(60), None), Some(s(60)));
        assert_eq!(half.time_left(s(60), Some(s(80))), Some(s(20)));
        assert_eq!(half.time_left(s(60), Some(s(500))), Some(s(60)));
        assert_eq!(half.time_left(s(60), Some(s(50))), Some(s(0)));
        assert_eq!(amount(100, 0, 0).time_left(s(60), None), None);
        assert_eq!(amount(100, 0, 0).time_left(s(60), Some(s(80))), Some(s(20)));
        assert_eq!(amount(300, 0, 2).time_left(s(10), None), None, "two of three hundred say nothing");
        assert_eq!(amount(0, 0, 50).time_left(s(60), None), None);
    }

    #[test]
    fn an_unknown_total_is_left_out() {
        assert_eq!(amount(0, 0, 0).first_line(), "collect: started");
        assert_eq!(amount(0, 0, 7).figures(s(0), Some(s(7200)), ""), "2 h 00 min left, 7 frames");
    }

    #[test]
    fn the_last_line_tells_what_was_done() {
        assert_eq!(
            amount(1000, 0, 1000).last_line(s(4), "3 crashes"),
            "collect: 1000 frames in 4.0 s (250 frames/s), 3 crashes"
        );
        assert_eq!(
            amount(1000, 0, 10).last_line(s(100), ""),
            "collect: 10 of 1000 frames in 1 min 40 s (0.100 frames/s)"
        );
    }

    #[test]
    fn lines_keep_their_distance() {
        let mut stage = stage_without_terminal();
        let due = [1, 9, 10, 11, 19, 20, 45, 46].map(|elapsed| stage.is_due(s(elapsed)));
        assert_eq!(due, [false, false, true, false, false, true, true, false]);
        let mut stage = stage_without_terminal().with_line_every(s(1));
        assert!(stage.is_due(s(1)));
    }

    #[test]
    fn a_message_that_is_not_shown_is_not_formatted() {
        struct Costly;
        impl Display for Costly {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("formatted in vain");
            }
        }
        let mut stage = stage_without_terminal();
        stage.line_every = s(1_000_000);
        stage.set(5, Costly);
        assert_eq!(stage.amount.done, 5);
    }
}
